//! The folder that is shipped, its launcher, and the layers of the source.

pub(crate) mod launcher;
pub(crate) mod layering;
pub(crate) mod links;
pub(crate) mod program;
pub(crate) mod shipped;
