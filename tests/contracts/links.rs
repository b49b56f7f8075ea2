//! Committed and private tensors on the chain.

use crate::mutations::both_refuse;
use crate::story::{Story, digits_mlp, is, linked, reason, shown, srs};
use alloy_sol_types::SolCall;
use inferproof::commitment::tensor_header;
use inferproof::evm::abi::InferenceVerifier as abi;
use inferproof::evm::chain::Fork;
use inferproof::evm::{Rehearsal, batch_calldata, zero_bytes};
use inferproof::{Interface, Proof, Visibility, WeightVisibility, verify};

const BOTH: [WeightVisibility; 2] = [WeightVisibility::Public, WeightVisibility::Secret];
const INPUTS: [Visibility; 3] = [Visibility::Public, Visibility::Committed, Visibility::Private];
const OUTPUTS: [Visibility; 4] = [Visibility::Public, Visibility::Committed, Visibility::Private, Visibility::Given];

fn interfaces() -> impl Iterator<Item = Interface> {
    INPUTS.into_iter().flat_map(|input| OUTPUTS.into_iter().map(move |output| Interface { input, output }))
}

/// Every way of showing a model's ends: accepted, at the gas that was told before, and the headers of what is committed.
#[test]
fn every_interface_is_accepted() {
    let mut story = Story::new(srs());
    let mut rehearsal = Rehearsal::new(Fork::Osaka).unwrap();
    for (index, interface) in interfaces().enumerate() {
        let visibility = BOTH[index % 2];
        let proved = shown(interface, visibility);
        let header = |of_output| abi::tensorHeaderCall { modelId: proved.key.model_id().into(), ofOutput: of_output };
        assert!(is::<abi::ModelNotStored>(&story.call(header(false).abi_encode())));
        story.store(&proved.key);
        let proof = proved.proof(1);
        let receipt = story.verify(&proof);
        assert!(receipt.success, "{interface:?}: {:?}", reason(&receipt));
        let gas = receipt.gas + 12 * zero_bytes(&proof);
        assert_eq!(rehearsal.gas(&proved.program(), visibility).unwrap(), gas, "{interface:?}");
        let io = proved.key.io();
        for (of_output, spec, seen) in [(false, &io.input, interface.input), (true, &io.output, interface.output)] {
            let expected = match seen {
                Visibility::Committed | Visibility::Given => tensor_header(&proved.key.srs_id(), spec),
                Visibility::Public | Visibility::Private => [0; 32],
            };
            assert_eq!(story.call(header(of_output).abi_encode()).output, expected);
        }
    }
}

/// The commitments in a statement: every bit, other points, other lengths.
#[test]
fn every_byte_of_a_commitment_counts() {
    for visibility in BOTH {
        let (mut story, proved) = (Story::new(srs()), linked(visibility));
        story.store(&proved.key);
        let (proof, other) = (proved.proof(1), proved.proof(2));
        let mut refused = |what: &str, change: &dyn Fn(&mut Proof)| {
            let mut bad = proof.clone();
            change(&mut bad);
            assert_ne!(bad, proof);
            both_refuse(&mut story, &proved, what, &bad);
        };
        for byte in 0..64 {
            refused("an input's bit", &|p| p.statement.input[byte] ^= 1);
            refused("an output's bit", &|p| p.statement.output[byte] ^= 0x80);
        }
        refused("another commitment to the same input", &|p| p.statement.input = other.statement.input.clone());
        refused("another commitment to the same output", &|p| p.statement.output = other.statement.output.clone());
        refused("exchanged", &|p| std::mem::swap(&mut p.statement.input, &mut p.statement.output));
        refused("the same twice", &|p| p.statement.output = p.statement.input.clone());
        refused("the point at infinity", &|p| p.statement.input = vec![0; 64]);
        for length in [0, 63, 65, 128] {
            refused("another length", &|p| p.statement.input.resize(length, 0));
            refused("another length", &|p| p.statement.output.resize(length, 0));
        }
        // The value and the quotient of another proof of the same statement.
        let from = proof.bytes.len() - if visibility == WeightVisibility::Secret { 224 } else { 96 };
        for part in [from..from + 32, from + 32..from + 96, from..from + 96] {
            refused("another link proof", &|p| p.bytes[part.clone()].copy_from_slice(&other.bytes[part.clone()]));
        }
    }
}

/// Without a fresh commitment to the output a mask hides the input: every word of it, and other masks.
#[test]
fn every_word_of_a_mask_counts() {
    for visibility in BOTH {
        let interface = Interface { input: Visibility::Committed, output: Visibility::Public };
        let (mut story, proved) = (Story::new(srs()), shown(interface, visibility));
        story.store(&proved.key);
        let (proof, other) = (proved.proof(1), proved.proof(2));
        assert!(story.accepts(&proof));
        for byte in 4..68 {
            let mut bad = proof.clone();
            bad.bytes[byte] ^= 1;
            both_refuse(&mut story, &proved, "a bit of the mask", &bad);
        }
        for mask in [&other.bytes[4..68], &proof.statement.input, &[0; 64]] {
            let mut bad = proof.clone();
            bad.bytes[4..68].copy_from_slice(mask);
            both_refuse(&mut story, &proved, "another mask", &bad);
        }
    }
}

/// A model with no public tensor has no words, and row 0 counts all the same: without its part honest proofs would not hold.
#[test]
fn private_tensors_are_refused_bytes() {
    let (mut story, proved) =
        (Story::new(srs()), shown(Interface { input: Visibility::Private, output: Visibility::Private }, BOTH[1]));
    story.store(&proved.key);
    let proof = proved.proof(1);
    assert!(story.accepts(&proof));
    for (input, output) in [(vec![0], vec![]), (vec![], vec![0]), (vec![1; 64], vec![])] {
        let mut bad = proof.clone();
        (bad.statement.input, bad.statement.output) = (input, output);
        both_refuse(&mut story, &proved, "bytes of a private tensor", &bad);
    }
}

/// Claims with and without committed tensors in one call, in any order, of the same key and of others.
#[test]
fn batches_mix() {
    let mut story = Story::new(srs());
    let [plain, secret] = BOTH.map(digits_mlp);
    let [open, closed] = BOTH.map(linked);
    let input = shown(Interface { input: Visibility::Committed, output: Visibility::Public }, BOTH[1]);
    let given = shown(Interface { input: Visibility::Committed, output: Visibility::Given }, BOTH[0]);
    let mut proofs = vec![];
    for (index, proved) in
        [&open, &plain, &closed, &closed, &input, &given, &secret, &open, &given, &input].into_iter().enumerate()
    {
        story.store(&proved.key);
        proofs.push(proved.proof(index as u64));
    }
    for _ in 0..proofs.len() {
        let receipt = story.call(batch_calldata(&proofs));
        assert!(receipt.success, "{:?}", reason(&receipt));
        proofs.rotate_left(1);
    }
    // One byte of any of them, in places that only the pairing sees: an opening, a link's value, quotient and mask, a response.
    for index in 0..proofs.len() {
        let length = proofs[index].bytes.len();
        for at in [length - 1, length - 65, length - 129, length - 161, length - 193] {
            let mut bad = proofs.clone();
            bad[index].bytes[at] ^= 1;
            let receipt = story.call(batch_calldata(&bad));
            assert!(!receipt.success && !receipt.output.is_empty(), "claim {index}, {at}");
        }
    }
    let part = srs().verifier_part();
    assert!(verify(&open.key, &part, &open.proof(9)).is_ok());
}
