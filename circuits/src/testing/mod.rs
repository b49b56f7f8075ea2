//! What tests share: networks for those of other crates too (feature `testing`), proofs of them for this one's.

#[cfg(test)]
mod cases;
mod networks;

#[cfg(test)]
pub(crate) use cases::{Case, Keys, RELU8, SIGNED8, conv};
pub use networks::random_network;
#[cfg(test)]
pub(crate) use networks::{NetworkBuilder, random_builder};
