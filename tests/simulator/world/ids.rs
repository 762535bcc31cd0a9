//! Ids and secrets that look random and are not: the same scenario gives the same ones, and a secret found in a log
//! names itself.

/// A number that looks random (splitmix64), so that ids do not sort in the order of creation.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd134_2543_de82_ef95);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The `n`th GUID of a kind.
pub fn guid(kind: &str, n: u64) -> String {
    let hex = hex32(kind, n);
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// 32 hexadecimal digits, as the versions of vault secrets are.
pub fn hex32(kind: &str, n: u64) -> String {
    let seed = kind.bytes().fold(n, |sum, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
    format!("{:016x}{:016x}", scramble(seed), scramble(seed ^ 0xffff))
}

/// `prefix`, the number in four digits, and letters and digits up to `length`.
pub fn secret(prefix: &str, n: u64, length: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut text = format!("{prefix}{n:04}");
    let mut state = n;
    while text.len() < length {
        state = scramble(state);
        text.push(char::from(ALPHABET[(state % ALPHABET.len() as u64) as usize]));
    }
    text
}

/// The secret of a PAT, in the published format: 84 characters, `JQQJ99` after 52 of them, `AZDO` before the last four.
pub fn pat_secret(n: u64) -> String {
    let random = secret("simulatedpat", n, 52);
    let middle = secret("", n + 7, 12);
    let checksum = secret("", n + 11, 4);
    format!("{random}JQQJ99BKAC{}AAAAAZDO{checksum}", &middle[..10])
}
