//! The HTTP server: hyper on a loopback port, in a thread and runtime of its own, so that a client's runtime and timers
//! are never shared with it.

use std::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    thread::JoinHandle,
    time::Duration,
};

use http_body_util::{BodyExt, Limited};
use hyper::{
    Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{Interval, Sleep, interval, sleep},
};

use super::{
    faults::Delivery,
    state::{Shared, Ticket},
    wire::{Reply, Request},
};

/// The largest body that is read: nothing that the program sends comes near it.
const LARGEST_BODY: usize = 1024 * 1024;
/// Long enough for the half that was written to leave before the connection closes.
const FLUSH: Duration = Duration::from_millis(30);

/// The running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it. Several may serve one world, each a door of its own.
    pub fn start(shared: Arc<Shared>, door: usize) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let thread = std::thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("a runtime can be built");
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, shared, door) => {}
                        _ = stopped => {}
                    }
                });
            })
            .expect("a thread can be started");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping the sender is the signal; connections and hanging requests go with the runtime.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>, door: usize) {
    let listener = TcpListener::from_std(listener).expect("a listening socket");
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            shared.traffic.connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(stream, Arc::clone(&shared), door));
        }
    }
}

/// Why a connection ends without a reply.
#[derive(Debug)]
struct Severed;

impl std::fmt::Display for Severed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is severed by a fault")
    }
}

impl std::error::Error for Severed {}

async fn serve(stream: TcpStream, shared: Arc<Shared>, door: usize) {
    // Small replies in two packets would otherwise wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let resets = Arc::clone(&reset);
    let asked = Arc::clone(&shared);
    let service = service_fn(move |request| -> Answering {
        Box::pin(respond(request, Arc::clone(&asked), Arc::clone(&resets), door))
    });
    let stream = Counted { stream, shared };
    let mut connection = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service);
    // Without the orderly shutdown, so that a reset is the first thing that the client sees.
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let Counted { stream, .. } = connection.into_parts().io.into_inner();
    if reset.load(Ordering::Relaxed) {
        let _ = stream.set_zero_linger();
    }
}

/// A connection whose bytes are counted.
struct Counted {
    stream: TcpStream,
    shared: Arc<Shared>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.shared.traffic.bytes.fetch_add(into.filled().len() - before, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, data);
        if let Poll::Ready(Ok(count)) = &written {
            self.shared.traffic.bytes.fetch_add(*count, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Sent>, Severed>> + Send>>;

async fn respond(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
    door: usize,
) -> Result<Response<Sent>, Severed> {
    let is_head = request.method() == hyper::Method::HEAD;
    let request = read(request).await?;
    if !shared.pass_gate(door).await {
        return Err(Severed);
    }
    let ticket = shared.arrive(&request);
    let Ticket { late, delay, .. } = ticket;
    let outcome = match late {
        None => {
            let outcome = shared.handle(&request, &ticket);
            if !shared.pass_gate(door).await {
                return Err(Severed);
            }
            outcome
        }
        Some(late) => {
            // On its own, since the effect shall come even when the client has gone.
            let task = tokio::spawn(async move {
                sleep(late).await;
                shared.handle(&request, &ticket)
            });
            task.await.map_err(|_| Severed)?
        }
    };
    let delay = delay.unwrap_or_default() + outcome.reply.delay;
    if !delay.is_zero() {
        sleep(delay).await;
    }
    match outcome.delivery {
        Delivery::Whole => Ok(response(outcome.reply, is_head, false)),
        Delivery::Cut => Ok(response(outcome.reply, is_head, true)),
        Delivery::Closed => Err(Severed),
        Delivery::Reset => {
            reset.store(true, Ordering::Relaxed);
            Err(Severed)
        }
        Delivery::Silence => pending().await,
        Delivery::Drip(pause) => {
            let mut reply = response(outcome.reply, is_head, false);
            *reply.body_mut() = Sent::dripping(pause);
            Ok(reply)
        }
    }
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Severed> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await.map_err(|_| Severed)?.to_bytes().to_vec();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
    })
}

fn response(reply: Reply, is_head: bool, cut: bool) -> Response<Sent> {
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    let body = if is_head { Vec::new() } else { reply.body };
    let sent = if cut { Sent::half_of(body) } else { Sent::whole(body) };
    builder.body(sent).expect("the simulator's own headers are valid")
}

/// A body that may break off in the middle.
struct Sent {
    data: Option<Bytes>,
    length: u64,
    breaks: Option<Pin<Box<Sleep>>>,
    /// A blank each time this has passed, without an end.
    drips: Option<Interval>,
}

impl Sent {
    fn whole(body: Vec<u8>) -> Self {
        Self {
            length: body.len() as u64,
            data: Some(body.into()).filter(|data: &Bytes| !data.is_empty()),
            breaks: None,
            drips: None,
        }
    }

    fn dripping(pause: Duration) -> Self {
        Self { data: None, length: 0, breaks: None, drips: Some(interval(pause)) }
    }

    /// Promises all of it; an empty one promises what never comes.
    fn half_of(mut body: Vec<u8>) -> Self {
        let length = (body.len() as u64).max(2);
        body.truncate(body.len() / 2);
        let breaks = Some(Box::pin(sleep(FLUSH)));
        Self { length, data: Some(body.into()).filter(|data: &Bytes| !data.is_empty()), breaks, drips: None }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Severed>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(drips) = &mut self.drips {
            return drips.poll_tick(context).map(|_| Some(Ok(Frame::data(Bytes::from_static(b" ")))));
        }
        match &mut self.breaks {
            None => Poll::Ready(None),
            Some(sleep) => sleep.as_mut().poll(context).map(|()| Some(Err(Severed))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.breaks.is_none() && self.drips.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.drips.is_some() { SizeHint::default() } else { SizeHint::with_exact(self.length) }
    }
}
