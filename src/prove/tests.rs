//! Real proofs: they hold, and every change to witness, statement, key or proof is refused.

use super::attack::Attack;
use super::*;
use crate::keys::{SetupOptions, setup};
use crate::model::Model;
use crate::srs::SrsVerifier;
use inferproof_circuits::plan::Optimise;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

mod support;

use support::{Fixture, small_cnn};

const CONTEXT: [u8; 32] = [7; 32];

#[test]
fn honest_proofs_hold() {
    for visibility in [WeightVisibility::Secret, WeightVisibility::Public] {
        for optimise in [Optimise::Prover, Optimise::Gas] {
            let fixture = Fixture::new(small_cnn(1), &SetupOptions { visibility, optimise });
            let proof = fixture.prover.prove(&fixture.input, CONTEXT, StdRng::seed_from_u64(3)).unwrap();
            assert!(fixture.verifies(&proof));
        }
    }
}
