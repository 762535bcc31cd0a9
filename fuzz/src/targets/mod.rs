//! One file a target: a function that may neither panic nor hang nor take much memory, whatever it is given. A decoder of
//! a new reply gets a block in a seed of one of the whole runs, or a file of its own.

mod browser;
mod certificate;
mod claims;
pub(crate) mod commands;
mod dates;
mod destinations;
mod hand_over;
mod markers;
mod network;
mod private_key;
mod redaction;
mod refusals;
mod retry_after;
mod runs;
mod settings;

/// Every target by its name, which is that of its seeds' folder.
pub(crate) const ALL: &[(&str, fn(&[u8]))] = &[
    ("browser", browser::fuzz),
    ("certificate", certificate::fuzz),
    ("claims", claims::fuzz),
    ("commands", commands::fuzz),
    ("dates", dates::fuzz),
    ("destinations", destinations::fuzz),
    ("endpoint_replies", runs::endpoints),
    ("hand_over", hand_over::fuzz),
    ("markers", markers::fuzz),
    ("network", network::fuzz),
    ("pat_replies", runs::pats),
    ("private_key", private_key::fuzz),
    ("redaction", redaction::fuzz),
    ("refusals", refusals::fuzz),
    ("report_replies", runs::reports),
    ("retry_after", retry_after::fuzz),
    ("settings", settings::fuzz),
    ("sign_in_replies", runs::sign_ins),
    ("store_replies", runs::stores),
];
