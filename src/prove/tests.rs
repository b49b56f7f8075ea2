//! Real proofs: they hold, and every change to witness, statement, key or proof is refused.

mod batches;
mod blinding;
mod claims;
mod engines;
mod links;
mod masks;
mod ranges;
mod stock;
mod support;
mod tamper;

use super::attack::Attack;
use super::*;
use crate::artefact::encode_g1;
use crate::keys::{SetupOptions, VerifyingKey, setup};
use crate::model::Model;
use crate::srs::SrsVerifier;
use crate::transcript::Recorded;
use group::Group;
use halo2_proofs::halo2curves::bn256::{Bn256, G1};
use halo2_proofs::plonk;
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use inferproof_circuits::interface::Interface;
use inferproof_circuits::machine::Shape;
use inferproof_circuits::plan::Optimise;
use inferproof_circuits::program::{Layout, Limbed};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::{Fixture, development_srs, small_chain, small_cnn, small_search};

const CONTEXT: [u8; 32] = [7; 32];

fn secret() -> Fixture {
    Fixture::new(small_cnn(1), &SetupOptions::default())
}

/// The same network with requantised values in limbs.
fn limbed() -> Fixture {
    let layout = Some(Layout { limb: Some(3), ..Layout::direct(2) });
    Fixture::new(small_cnn(1), &SetupOptions { layout, ..SetupOptions::default() })
}

/// The first network, for two inputs a proof.
fn batched() -> Fixture {
    Fixture::new(small_cnn(1), &SetupOptions { batch: 2, ..SetupOptions::default() })
}

/// A network for the machine with two activations a row, with every way in which two share one.
fn paired() -> Fixture {
    let layout = Some(Layout { shape: Shape::Paired, ..Layout::direct(2) });
    Fixture::new(small_chain(1), &SetupOptions { layout, ..SetupOptions::default() })
}

/// The first network there.
fn paired_maxima() -> Fixture {
    let layout = Some(Layout { shape: Shape::Paired, ..Layout::direct(2) });
    Fixture::new(small_cnn(1), &SetupOptions { layout, ..SetupOptions::default() })
}

/// The first network there, its dense layer in limbs and its convolution not: what the planner takes for a LeNet-5.
fn paired_limbs() -> Fixture {
    let layout = Some("2:3:flat:paired".parse().unwrap());
    Fixture::new(small_cnn(1), &SetupOptions { layout, ..SetupOptions::default() })
}

/// Every kind of program whose tensors are public.
fn fixtures() -> impl Iterator<Item = Fixture> {
    [secret, limbed, searched, batched, paired, paired_maxima, paired_limbs].into_iter().map(|fixture| fixture())
}

/// Another network, with the kinds of layers that the first has not.
fn searched() -> Fixture {
    Fixture::new(small_search(1), &SetupOptions::default())
}

/// The first network, its input committed: with a mask.
fn masked() -> Fixture {
    let interface = Interface { input: Visibility::Committed, output: Visibility::Public };
    Fixture::new(small_cnn(1), &SetupOptions { interface, ..SetupOptions::default() })
}

/// The first network, its input and a given output committed: a mask, and three polynomials.
fn given() -> Fixture {
    let interface = Interface { input: Visibility::Committed, output: Visibility::Given };
    Fixture::new(small_cnn(1), &SetupOptions { interface, ..SetupOptions::default() })
}

/// The first network, its input and output committed.
fn linked() -> Fixture {
    let interface = Interface { input: Visibility::Committed, output: Visibility::Committed };
    Fixture::new(small_cnn(1), &SetupOptions { interface, ..SetupOptions::default() })
}

fn public() -> Fixture {
    Fixture::new(small_cnn(1), &SetupOptions { visibility: WeightVisibility::Public, ..SetupOptions::default() })
}

#[test]
fn honest_proofs_hold() {
    for visibility in [WeightVisibility::Secret, WeightVisibility::Public] {
        for optimise in [Optimise::Prover, Optimise::Gas] {
            let fixture = Fixture::new(small_cnn(1), &SetupOptions { visibility, optimise, ..Default::default() });
            let proof = fixture.proof(3);
            assert!(fixture.verifies(&proof));
            let (shape, secret) = (fixture.prover.key.verifying.shape, visibility == WeightVisibility::Secret);
            let expected = inferproof_circuits::machine::proof_bytes(shape, secret, Interface::default());
            assert_eq!(proof.bytes.len(), expected);
        }
    }
}

/// The proof as the verifier's own transcript sees it: statement first, weights last.
#[test]
fn every_byte_of_a_proof_counts() {
    for fixture in [secret(), public(), masked(), linked(), given(), paired()] {
        let proof = fixture.proof(4);
        let mut rng = StdRng::seed_from_u64(8);
        for word in 0..proof.bytes.len().div_ceil(32) {
            let mut bad = proof.clone();
            let last = (bad.bytes.len() - 1).min(word * 32 + 31);
            bad.bytes[rng.gen_range(word * 32..=last)] ^= 1 << rng.gen_range(0..8);
            assert!(!fixture.verifies(&bad), "word {word}");
        }
        for len in [0, 3, 4, 36, proof.bytes.len() - 1] {
            let bad = Proof { bytes: proof.bytes[..len].to_vec(), ..proof.clone() };
            assert!(!fixture.verifies(&bad), "cut to {len}");
        }
        let mut longer = proof.clone();
        longer.bytes.push(0);
        assert!(matches!(fixture.verify(&longer), Err(VerifyError::Length { .. })));
    }
}

#[test]
fn every_part_of_a_statement_counts() {
    let fixture = secret();
    let proof = fixture.proof(5);
    let output = proof.statement.output.len();
    let changes: [&dyn Fn(&mut Statement); 9] = [
        &|s| s.model_id[0] ^= 1,
        &|s| s.context[31] ^= 1,
        &|s| s.input[3] ^= 1,
        &|s| s.input.push(0),
        &|s| s.input.truncate(1),
        &|s| s.output[0] ^= 1,
        &|s| s.output[output - 1] = s.output[output - 1].wrapping_add(1),
        &|s| s.output.push(0),
        &|s| std::mem::swap(&mut s.input, &mut s.output),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut bad = proof.clone();
        change(&mut bad.statement);
        assert!(!fixture.verifies(&bad), "change {index}");
    }
}

/// A context is 32 bytes, not a field element: `c` and `c + p` are two contexts.
#[test]
fn contexts_do_not_alias() {
    let fixture = secret();
    let proof = fixture.proof(6);
    let modulus = hex::decode(&<Fr as ff::PrimeField>::MODULUS[2..]).unwrap();
    let mut aliased = proof.clone();
    let mut carry = 0u16;
    for (byte, m) in aliased.statement.context.iter_mut().zip(modulus).rev() {
        let sum = u16::from(*byte) + u16::from(m) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0, "the alias fits 32 bytes");
    assert!(!fixture.verifies(&aliased));
}

#[test]
fn a_proof_is_of_one_model() {
    let (one, other) = (secret(), Fixture::new(small_cnn(2), &SetupOptions::default()));
    let proof = one.proof(7);
    assert!(matches!(other.verify(&proof), Err(VerifyError::OtherModel { .. })));
    let mut relabelled = proof;
    relabelled.statement.model_id = other.prover.key.verifying.model_id();
    assert!(!other.verifies(&relabelled));
}

/// The same program, other weights: the circuit is content, the registered commitments are not.
#[test]
fn other_weights_are_refused() {
    for mut fixture in [secret(), public()] {
        let layer = fixture.prover.key.model.weights.layers.get_mut(&1).unwrap();
        layer.terms[0][0] -= layer.terms[0][0].signum().max(1);
        let model = &fixture.prover.key.model;
        fixture.prover.lanes = LaneRows::new(&fixture.prover.backend.program, &model.architecture, &model.weights);
        let forged = fixture.forge(&Attack::default());
        let error = fixture.verify(&forged).unwrap_err();
        assert!(matches!(error, VerifyError::Invalid("the weights are not the registered ones")), "{error}");
    }
}

/// Each registered commitment and each key point is bound by the model id and by the proof.
#[test]
fn every_part_of_a_key_counts() {
    let fixture = secret();
    let proof = fixture.proof(9);
    let changes: [&dyn Fn(&mut VerifyingKey); 7] = [
        &|k| k.weights.points.swap(0, 1),
        &|k| k.weights.points[0] = k.weights.points[1],
        &|k| k.weights.points.truncate(1),
        &|k| k.weights.visibility = WeightVisibility::Public,
        &|k| k.fixed.swap(0, 1),
        &|k| k.permutation.swap(0, 1),
        &|k| k.k += 1,
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut key = fixture.prover.key.verifying.clone();
        change(&mut key);
        assert!(matches!(verify(&key, &fixture.srs, &proof), Err(VerifyError::OtherModel { .. })), "change {index}");
        let mut relabelled = proof.clone();
        relabelled.statement.model_id = key.model_id();
        assert!(verify(&key, &fixture.srs, &relabelled).is_err(), "change {index} with the new id");
    }
}

#[test]
fn another_srs_is_refused() {
    let fixture = secret();
    let proof = fixture.proof(10);
    let other = Srs::development(11, StdRng::seed_from_u64(99)).unwrap().verifier_part();
    assert!(matches!(verify(&fixture.prover.key.verifying, &other, &proof), Err(VerifyError::OtherSrs { .. })));
    let mut key = fixture.prover.key.verifying.clone();
    key.srs_id = other.srs_id();
    let mut relabelled = proof;
    relabelled.statement.model_id = key.model_id();
    assert!(verify(&key, &other, &relabelled).is_err());
}

/// Two proofs of one statement share no 32-byte word but those that the statement fixes.
#[test]
fn proofs_are_fresh() {
    let fixture = secret();
    let (a, b) = (fixture.proof(11), fixture.proof(12));
    assert_eq!(a.statement, b.statement);
    let words: std::collections::HashSet<&[u8]> = a.bytes[4..].chunks(32).collect();
    let shared = b.bytes[4..].chunks(32).filter(|w| words.contains(w)).count();
    // Evaluations of fixed and permutation columns differ too, as the point does.
    assert_eq!(shared, 0);
    assert_eq!(fixture.proof_of(13).bytes.len(), a.bytes.len());
}

/// A span proof belongs to one proof: replayed from another of the same statement, cut, or put together anew.
#[test]
fn span_proofs_do_not_move() {
    for fixture in [secret(), linked()] {
        let [proof, same, other] = [fixture.proof(15), fixture.proof(16), fixture.proof_of(17)];
        let start = proof.bytes.len() - 128;
        for (from, to) in [(0, 64), (64, 96), (96, 128), (64, 128), (0, 128)] {
            for donor in [&same, &other] {
                let mut bad = proof.clone();
                bad.bytes[start + from..start + to].copy_from_slice(&donor.bytes[start + from..start + to]);
                assert!(!fixture.verifies(&bad), "{from}..{to}");
            }
        }
        let mut exchanged = proof.clone();
        exchanged.bytes[start + 64..].rotate_left(32);
        assert!(!fixture.verifies(&exchanged));
        for length in [start, start + 64, start + 127] {
            let bad = Proof { bytes: proof.bytes[..length].to_vec(), ..proof.clone() };
            assert!(!fixture.verifies(&bad), "cut to {length}");
        }
        let mut twice = proof.clone();
        twice.bytes.extend_from_slice(&proof.bytes[start..]);
        assert!(matches!(fixture.verify(&twice), Err(VerifyError::Length { .. })));
    }
}

/// The number of lanes decides what a lane's weights meet, so it is named by the program: a registrant cannot add one.
#[test]
fn lanes_are_the_program_s() {
    let key = secret().prover.key.verifying.clone();
    let mut more = key.clone();
    more.weights.points.push(key.weights.points[0]);
    assert_eq!(more.program_id(), key.program_id());
    let error = VerifyingKey::decode(&more.encode()).unwrap_err().to_string();
    assert!(error.contains("number of weight commitments"), "{error}");
    more.lanes += 1;
    assert_ne!(more.program_id(), key.program_id());
    assert_eq!(VerifyingKey::decode(&more.encode()).unwrap(), more);
}

/// `Debug` of everything that holds secrets: no weight, no element, no blinding cell.
#[test]
fn nothing_secret_is_shown() {
    let mut model = small_cnn(1);
    for layer in model.weights.layers.values_mut() {
        layer.bias.iter_mut().for_each(|bias| *bias = 271);
    }
    for node in &mut model.architecture.nodes {
        if let inferproof_circuits::network::Op::Affine { quotient, .. } = &mut node.op {
            (quotient.lo, quotient.hi) = (quotient.lo - 20, quotient.hi + 20);
        }
    }
    let interface = Interface { input: Visibility::Committed, output: Visibility::Committed };
    let fixture = Fixture::new(model, &SetupOptions { interface, ..SetupOptions::default() });
    let input = vec![13; fixture.input.len()];
    let proved =
        fixture.prover.prove_committed(Source::Values(&input), None, CONTEXT, StdRng::seed_from_u64(1)).unwrap();
    let key = fixture.prover.key();
    let opening = proved.openings.input.as_ref().unwrap();
    let lanes = &fixture.prover.lanes;
    let texts = [
        format!("{:?}", fixture.prover),
        format!("{key:?}"),
        format!("{:?} {:?}", key.model().weights, key.model().weights.layers),
        format!("{lanes:?}"),
        format!("{:?}", proved.openings),
        format!("{opening:?}"),
        format!("{:?}", Source::Values(&input)),
        format!("{:?}", Source::Opening(opening)),
    ];
    for text in texts {
        // The integers as they would be printed, and the limbs of a field element.
        assert!(!text.contains("271") && !text.contains("13, 13"), "{text}");
        assert!(!text.contains("Secret(") && !text.contains("blinds"), "{text}");
    }
    let error = fixture.prover.run(&[&[7_777][..], &input[1..]].concat()).unwrap_err().to_string();
    assert!(!error.contains("7777"), "{error}");
}

/// `omega`'s last rows are the ones chosen for it, so the difference is in the span exactly.
#[test]
fn the_difference_is_the_blinding() {
    let fixture = secret();
    let proof = fixture.proof(14);
    let mut transcript =
        crate::transcript::VerifierTranscript::new(&proof.statement.transcript_prefix(), &proof.bytes[4..]);
    use halo2_proofs::transcript::{Transcript, TranscriptRead};
    let key = &fixture.prover.key;
    transcript.common_scalar(key.verifying.halo2_verifying().transcript_repr()).unwrap();
    let output = fixture.prover.run(&fixture.input).unwrap();
    let words =
        instance(&fixture.prover.backend.program, &fixture.input, &output.values[key.model.architecture.output]);
    words.iter().for_each(|w| transcript.common_scalar(*w).unwrap());
    for _ in 0..Shape::Single.omega() {
        transcript.read_point().unwrap();
    }
    let channel = *transcript.squeeze_challenge_scalar::<()>();
    for _ in 0..3 {
        transcript.squeeze_challenge();
    }
    let omega = transcript.read_point().unwrap();
    // Recommit without blinding: the rest is a multiple of the two points, and of nothing else.
    let lagrange = support::development_srs().lagrange(fixture.prover.backend.program.k).unwrap();
    let mut unblinded = G1::default();
    for (row, value) in fixture.prover.lanes.fold(channel) {
        unblinded += lagrange[row] * value;
    }
    assert_ne!(G1::from(omega), unblinded, "two fresh cells");
    let tail = fixture.prover.key.opening.fold(channel);
    let registered = key.verifying.weights.fold(channel);
    let bases = fixture.srs.span(fixture.prover.backend.program.k).unwrap();
    assert_eq!(registered, unblinded + bases[0] * tail[0].0 + bases[1] * tail[1].0);
}
