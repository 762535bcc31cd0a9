//! A front end that looks at bytes: it lets a request through only if the request says how long its body is, as HTTP.sys
//! before Azure DevOps does, and remembers what was sent.

use std::io::{self, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What HTTP.sys answers, down to the page for people.
const LENGTH_REQUIRED: &str = "HTTP/1.1 411 Length Required\r\nContent-Type: text/html; charset=us-ascii\r\n\
    Server: Microsoft-HTTPAPI/2.0\r\nConnection: close\r\nContent-Length: 91\r\n\r\n\
    <HTML><HEAD><TITLE>Length Required</TITLE></HEAD><BODY><h2>Length Required</h2></BODY></HTML>";

/// A request that has passed, or not: its first line, and what it says of its length.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) lengths: Vec<String>,
    pub(crate) is_chunked: bool,
}

/// The front end. Its threads end with the connections.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Front {
    pub(crate) fn start(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
        let seen = Arc::clone(&sent);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                thread::spawn(move || {
                    let _gone = serve(&client, behind, &seen);
                });
            }
        });
        Self { address, sent }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

fn serve(client: &TcpStream, behind: SocketAddr, seen: &Mutex<Vec<Sent>>) -> io::Result<()> {
    let server = TcpStream::connect(behind)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut requests, mut replies) = (BufReader::new(client), BufReader::new(&server));
    while let Some(head) = head(&mut requests)? {
        let values = |name: &str| -> Vec<String> {
            let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
            fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().into()).collect()
        };
        let mut words = head.split(' ').map(str::to_owned);
        let sent = Sent {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            lengths: values("content-length"),
            is_chunked: !values("transfer-encoding").is_empty(),
        };
        seen.lock().unwrap().push(sent.clone());
        if !matches!(sent.method.as_str(), "GET" | "HEAD") && (sent.lengths.len() != 1 || sent.is_chunked) {
            return (&mut &*client).write_all(LENGTH_REQUIRED.as_bytes());
        }
        let mut message = head.clone().into_bytes();
        body(&mut requests, sent.lengths.first(), &mut message)?;
        (&mut &server).write_all(&message)?;
        let Some(head) = self::head(&mut replies)? else { return Ok(()) };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut message = head.into_bytes();
        body(&mut replies, length.as_ref().filter(|_| sent.method != "HEAD"), &mut message)?;
        (&mut &*client).write_all(&message)?;
    }
    Ok(())
}

/// A message's head with the empty line; nothing where the connection ends.
fn head(from: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

fn body(from: &mut impl Read, length: Option<&String>, into: &mut Vec<u8>) -> io::Result<()> {
    let length: u64 = length.and_then(|length| length.parse().ok()).unwrap_or_default();
    from.take(length).read_to_end(into).map(drop)
}
