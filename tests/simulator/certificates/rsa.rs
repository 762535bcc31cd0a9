//! RSA keys of 2048 bits. The primes come from a counted seed, which is worthless as a secret and the same in every run.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use num_bigint::BigUint;
use ring::digest;

use super::der;

const EXPONENT: u32 = 65_537;
const SMALL_PRIMES: [u32; 20] = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73];

/// A private key's numbers, big-endian.
#[derive(Clone, Debug)]
pub struct RsaKey {
    modulus: Vec<u8>,
    /// Private exponent, the two primes, the exponents modulo each less one, the inverse of the second modulo the first.
    secret: [Vec<u8>; 6],
}

impl RsaKey {
    /// `RSAPrivateKey` of RFC 8017.
    pub(super) fn pkcs1(&self) -> Vec<u8> {
        let mut parts = vec![der::integer(&[0]), der::integer(&self.modulus), exponent()];
        parts.extend(self.secret.iter().map(|number| der::integer(number)));
        der::sequence(&parts)
    }

    /// `PrivateKeyInfo` of RFC 5208 around it.
    pub(super) fn pkcs8(&self) -> Vec<u8> {
        let key = der::tagged(0x04, &self.pkcs1());
        der::sequence(&[der::integer(&[0]), der::algorithm(der::RSA_ENCRYPTION), key])
    }

    /// `RSAPublicKey` of RFC 8017.
    pub(super) fn public(&self) -> Vec<u8> {
        der::sequence(&[der::integer(&self.modulus), exponent()])
    }
}

fn exponent() -> Vec<u8> {
    der::integer(&EXPONENT.to_be_bytes()[1..])
}

/// The key of that number, made once in a process.
pub(super) fn key(number: u64) -> RsaKey {
    static MADE: Mutex<BTreeMap<u64, RsaKey>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(number).or_insert_with(|| generate(number)).clone()
}

fn generate(number: u64) -> RsaKey {
    let one = BigUint::from(1u8);
    let exponent = BigUint::from(EXPONENT);
    let (a, b) = (prime(number, 'p'), prime(number, 'q'));
    // The larger one first, as ring wants them.
    let (p, q) = if a > b { (a, b) } else { (b, a) };
    let (below_p, below_q) = (&p - &one, &q - &one);
    let private = exponent.modinv(&(&below_p * &below_q)).expect("the primes were chosen for this exponent");
    let inverse = q.modinv(&p).expect("two primes have no common factor");
    let numbers = [private.clone(), p.clone(), q.clone(), &private % &below_p, &private % &below_q, inverse];
    RsaKey { modulus: (&p * &q).to_bytes_be(), secret: numbers.map(|number| number.to_bytes_be()) }
}

/// A prime of 1024 bits, with the two highest set so that the product of two has 2048.
fn prime(number: u64, which: char) -> BigUint {
    let mut bytes: Vec<u8> = (0..4)
        .flat_map(|part| {
            let seed = format!("key {number} {which} {part} of the simulator");
            digest::digest(&digest::SHA256, seed.as_bytes()).as_ref().to_vec()
        })
        .collect();
    bytes[0] |= 0b1100_0000;
    bytes[127] |= 1;
    let mut candidate = BigUint::from_bytes_be(&bytes);
    while !fits(&candidate) {
        candidate += 2u8;
    }
    candidate
}

fn fits(candidate: &BigUint) -> bool {
    let divisible = SMALL_PRIMES.iter().chain([&EXPONENT]).any(|&small| {
        let rest = candidate % small;
        // An exponent that divides the prime less one has no inverse.
        rest == BigUint::ZERO || (small == EXPONENT && rest == BigUint::from(1u8))
    });
    !divisible && [2u8, 3, 5, 7, 11, 13].iter().all(|&base| is_probable_prime(candidate, base))
}

/// Miller and Rabin's test with one base.
fn is_probable_prime(candidate: &BigUint, base: u8) -> bool {
    let below = candidate - 1u8;
    let twos = below.trailing_zeros().unwrap_or(0);
    let mut power = BigUint::from(base).modpow(&(&below >> twos), candidate);
    if power == BigUint::from(1u8) || power == below {
        return true;
    }
    for _ in 1..twos {
        power = &power * &power % candidate;
        if power == below {
            return true;
        }
    }
    false
}
