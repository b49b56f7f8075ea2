//! Small models built in memory: what is imported agrees with the reference runtime, and what is not is named.

mod accepted;
mod models;
mod refused;
