//! What verifying proofs of a program will cost on a chain, before the program has a key.
//!
//! The verifier goes the same way for every proof whose points and scalars are well-formed, up to the pairing, and precompiles
//! charge by lengths. So the gas of a proof that does not hold is that of one that does, but for how the call ends.

use super::abi::InferenceVerifier::InvalidProof;
use super::chain::Fork;
use super::check::{CheckError, Deployed, refused};
use super::data::verify_calldata;
use crate::artefact::encode_g1;
use crate::commitment::{WeightCommitments, WeightVisibility};
use crate::keys::{IoSpec, TensorSpec, VerifyingKey, proof_tag};
use crate::proof::Proof;
use crate::srs::SrsVerifier;
use crate::statement::Statement;
use alloy_sol_types::SolError;
use halo2_proofs::halo2curves::bn256::G1Affine;
use inferproof_circuits::interface::{End, Interface, Visibility};
use inferproof_circuits::layers::MAX_K;
use inferproof_circuits::machine::{COPY_COLUMNS, Shape, points, scalars};
use inferproof_circuits::network::Architecture;
use inferproof_circuits::packing::Packing;
use inferproof_circuits::plan::Cost;
use inferproof_circuits::program::{Layout, Program};

/// Points that follow the scalars of a proof: those of the openings.
const OPENING_POINTS: usize = 2;
/// Gas of returning instead of reverting: jumps of the compiler's. A test compares with real proofs.
const RETURN: u64 = 2;
/// Gas of a byte of calldata that is not 0, less that of one that is.
const NON_ZERO_BYTE: u64 = 12;

/// The shipped verifiers on a chain in memory, with keys and proofs of no meaning.
pub struct Rehearsal {
    /// One for each shape, in the order of [`Shape::ALL`].
    deployed: Vec<Deployed>,
    srs: SrsVerifier,
}

impl Rehearsal {
    /// Deploys the verifiers. Cost: some milliseconds.
    ///
    /// # Errors
    /// The chain does not take the shipped contract.
    pub fn new(fork: Fork) -> Result<Self, CheckError> {
        let srs = SrsVerifier::of_one(MAX_K);
        let deployed =
            Shape::ALL.into_iter().map(|shape| Deployed::new(shape, &srs, fork)).collect::<Result<_, _>>()?;
        Ok(Self { deployed, srs })
    }

    /// Gas of a transaction that verifies one proof of `program`, exactly: calldata included, every account cold, every byte of statement and
    /// proof counted as not 0 ([`zero_bytes`]; each that is 0 costs 12 gas less).
    ///
    /// # Errors
    /// A transaction may not use as much gas, or not have as many bytes, as a proof of this program needs.
    pub fn gas(&mut self, program: &Program, visibility: WeightVisibility) -> Result<u64, CheckError> {
        let packings = [program.input, program.output];
        self.gas_of_key(self.key(program.layout, program.k, packings, program.interface, visibility))
    }

    /// As [`Self::gas`], for the program of `architecture` that `plan` is of, without compiling it.
    ///
    /// # Errors
    /// As [`Self::gas`].
    pub fn gas_of_plan(
        &mut self,
        architecture: &Architecture,
        interface: Interface,
        plan: &Cost,
        visibility: WeightVisibility,
    ) -> Result<u64, CheckError> {
        let packings = plan.layout.packings(architecture);
        self.gas_of_key(self.key(plan.layout, plan.k, packings, interface, visibility))
    }

    fn gas_of_key(&mut self, key: VerifyingKey) -> Result<u64, CheckError> {
        let place = Shape::ALL.iter().position(|shape| *shape == key.shape());
        let deployed = &mut self.deployed[place.expect("one of all shapes")];
        deployed.store(&key)?;
        let proof = stand_in(&key);
        let receipt = deployed.call(verify_calldata(&proof))?;
        if !receipt.output.starts_with(&InvalidProof::SELECTOR) {
            return Err(refused("rehearse a verification", &receipt));
        }
        Ok(receipt.gas + NON_ZERO_BYTE * zero_bytes(&proof) + RETURN)
    }

    fn key(
        &self,
        layout: Layout,
        k: u32,
        [input, output]: [Packing; 2],
        interface: Interface,
        visibility: WeightVisibility,
    ) -> VerifyingKey {
        let some = |count| vec![G1Affine::generator(); count];
        let tensor = |packing: Packing| TensorSpec { shape: vec![packing.elements], packing, scale: 1.0 };
        VerifyingKey {
            shape: layout.shape,
            k,
            lanes: layout.lanes,
            srs_id: self.srs.srs_id(),
            insecure: self.srs.insecure(),
            fixed: some(layout.shape.fixed()),
            permutation: some(COPY_COLUMNS),
            io: IoSpec { input: tensor(input), output: tensor(output), interface },
            weights: WeightCommitments { visibility, points: some(layout.lanes) },
        }
    }
}

/// A proof of the right form that proves nothing.
fn stand_in(key: &VerifyingKey) -> Proof {
    let span = usize::from(key.weights.visibility == WeightVisibility::Secret);
    let link = usize::from(key.io.interface.is_linked());
    let point = encode_g1(&G1Affine::generator());
    let scalar = [1; 32];
    let mut bytes = proof_tag(key.shape).to_vec();
    bytes.extend(point.repeat(usize::from(key.io.interface.is_masked())));
    bytes.extend(point.repeat(points(key.shape) - OPENING_POINTS));
    bytes.extend(scalar.repeat(scalars(key.shape)));
    bytes.extend(point.repeat(OPENING_POINTS));
    bytes.extend(scalar.repeat(link));
    bytes.extend(point.repeat(link + span));
    bytes.extend(scalar.repeat(2 * span));
    let tensor = |end| match key.io.interface.of(end) {
        Visibility::Public => vec![1; key.io.of(end).packing.byte_len()],
        Visibility::Committed | Visibility::Given => point.to_vec(),
        Visibility::Private => vec![],
    };
    let (input, output) = (tensor(End::Input), tensor(End::Output));
    Proof { statement: Statement { model_id: key.model_id(), context: [1; 32], input, output }, bytes }
}

/// Bytes of a statement and its proof that are 0.
#[must_use]
pub fn zero_bytes(proof: &Proof) -> u64 {
    let Statement { model_id, context, input, output } = &proof.statement;
    let all = [model_id.as_slice(), context, input, output, &proof.bytes];
    all.iter().flat_map(|bytes| bytes.iter()).filter(|byte| **byte == 0).count() as u64
}
