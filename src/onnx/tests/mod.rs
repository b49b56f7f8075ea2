//! Small models built in memory: what is imported agrees with the reference runtime or with a definition written here,
//! and what is not is named.

mod accepted;
mod agreement;
mod arithmetic;
mod models;
mod movements;
mod options;
mod products;
mod quantised;
mod refused;
mod selections;
mod windows;
