//! Proving that secret weights lie in a declared range, lane by lane.

use super::backend::{Backend, Registered};
use super::progress::UNWATCHED;
use super::{Claim, ProveError};
use crate::commitment::{Opening, Secret, WeightVisibility};
use crate::engine::CpuEngine;
use crate::keys::ProvingKey;
use crate::proof::Proof;
use crate::ranges::{RangeProof, lane_keys, statement};
use crate::srs::Srs;
use crate::statement::Statement;
use crate::verify::verify;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_circuits::layers::compile;
use inferproof_circuits::machine::{MachineCircuit, PhaseOneInput};
use inferproof_circuits::ranges::{WeightRange, range_program};
use inferproof_circuits::witness::{LaneRows, PhaseZero, phase_zero_of_lane};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// Proves that the secret weights of `key` lie in `range`, or in the least range that holds them, which the result then tells.
///
/// `rng` blinds the proofs: pass the operating system's. `progress` is told of each lane, and of how many there are. Every proof is verified before it is returned.
///
/// Cost: a proof of the model's `k` for each lane.
///
/// # Errors
/// Public weights; another SRS than the key's; [`ProveError::OutOfRange`]; a range that does not fit into the rows of the model's program.
pub fn prove_range(
    key: &ProvingKey,
    srs: &Srs,
    range: Option<WeightRange>,
    mut rng: impl RngCore + CryptoRng,
    progress: &dyn Fn(usize, usize),
) -> Result<RangeProof, ProveError> {
    key.check_srs(srs)?;
    let verifying = key.verifying_key();
    if verifying.weights.visibility == WeightVisibility::Public {
        return Err(ProveError::PublicWeights);
    }
    let program = compile(&key.model.architecture, verifying.io.interface, key.layout)?;
    if program.k != verifying.k {
        return Err(ProveError::Inconsistent(format!("k is {}, the program needs {}", verifying.k, program.k)));
    }
    let lanes = LaneRows::new(&program, &key.model.architecture, &key.model.weights);
    let least = WeightRange::least(&program, &lanes);
    let range = range.unwrap_or(least);
    if range.weight_bits < least.weight_bits || range.bias_bits < least.bias_bits {
        return Err(ProveError::OutOfRange { needed: least, declared: range });
    }
    let program = range_program(&program, range)?;
    let keys = lane_keys(&program, verifying, srs)?;
    let backend = Backend::new(CpuEngine::default(), program.k, srs, || Ok(program))?;
    let mut proofs = vec![];
    for (index, lane_key) in keys.iter().enumerate() {
        progress(index, keys.len());
        let lane = lanes.lane(index);
        let phase0 = phase_zero_of_lane(&backend.program, &lane);
        let phase0 = phase0.map_err(|e| ProveError::Inconsistent(e.to_string()))?;
        let opening = Opening { tails: Zeroizing::new(vec![key.opening.tails[index]]) };
        let registered = Registered { key: lane_key, opening: &opening };
        let proof = prove_lane(&backend, registered, statement(lane_key, verifying), &phase0, &lane, &mut rng)?;
        let verified = verify(lane_key, &backend.srs, &proof);
        verified.map_err(|e| ProveError::Inconsistent(format!("the proof made with it does not verify ({e})")))?;
        proofs.push(proof.bytes);
    }
    Ok(RangeProof { model_id: verifying.model_id(), range, proofs })
}

/// The proof for one lane; `phase0` and `lane` need not belong together: what an attacker would do.
pub(super) fn prove_lane(
    backend: &Backend,
    registered: Registered<'_>,
    statement: Statement,
    phase0: &PhaseZero,
    lane: &LaneRows,
    mut rng: impl RngCore + CryptoRng,
) -> Result<Proof, ProveError> {
    let witness = PhaseOneInput { phase0, lanes: lane, instance: &[] };
    let circuit = MachineCircuit::new(&backend.program, Some(witness));
    let tail = Zeroizing::new([0; 2].map(|_| Secret(Fr::random(&mut rng))));
    let claim = Claim { statement, instance: vec![], linked: None };
    backend.blinded(registered, circuit, &claim, &tail, rng, UNWATCHED)
}
