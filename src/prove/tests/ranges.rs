//! Range proofs hold for the registered weights, and for nothing else.

use super::*;
use crate::commitment::{Opening, commit};
use crate::keys::PublicModel;
use crate::prove::ranges::prove_lane;
use crate::ranges::{RangeError, RangeProof, lane_keys, statement, verify_range};
use crate::verify::VerifyError;
use inferproof_circuits::ranges::{WeightRange, range_program};
use inferproof_circuits::witness::phase_zero_of_lane;
use support::development_srs;

fn prove(fixture: &Fixture, range: Option<WeightRange>) -> Result<RangeProof, ProveError> {
    prove_range(&fixture.prover.key, development_srs(), range, StdRng::seed_from_u64(3), &|_, _| {})
}

fn check(fixture: &Fixture, proof: &RangeProof) -> Result<(), RangeError> {
    let key = &fixture.prover.key;
    verify_range(&PublicModel::of(key), &key.verifying, development_srs(), proof)
}

#[test]
fn the_weights_of_a_model_are_proved_to_lie_in_their_range() {
    for fixture in [secret(), limbed(), linked()] {
        let least = WeightRange::least(&fixture.prover.backend.program, &fixture.prover.lanes);
        let proof = prove(&fixture, None).unwrap();
        assert_eq!((proof.range, proof.proofs.len()), (least, 2));
        check(&fixture, &proof).unwrap();
        let wider = WeightRange { weight_bits: least.weight_bits + 4, bias_bits: least.bias_bits + 4 };
        check(&fixture, &prove(&fixture, Some(wider)).unwrap()).unwrap();
        let too_few = [
            WeightRange { weight_bits: least.weight_bits - 1, ..least },
            WeightRange { bias_bits: least.bias_bits - 1, ..least },
        ];
        for range in too_few {
            let error = prove(&fixture, Some(range)).unwrap_err();
            assert!(matches!(error, ProveError::OutOfRange { needed, .. } if needed == least), "{error}");
        }
    }
}

#[test]
fn a_range_proof_is_for_its_lanes_range_and_model() {
    let fixture = secret();
    let proof = prove(&fixture, None).unwrap();
    let refused = |change: &dyn Fn(&mut RangeProof)| {
        let mut changed = proof.clone();
        change(&mut changed);
        check(&fixture, &changed).unwrap_err()
    };
    let swapped = refused(&|p| p.proofs.swap(0, 1));
    assert!(matches!(swapped, RangeError::Lane { lane: 0, .. }), "{swapped}");
    assert!(matches!(refused(&|p| p.proofs[1] = p.proofs[0].clone()), RangeError::Lane { lane: 1, .. }));
    assert!(matches!(refused(&|p| drop(p.proofs.pop())), RangeError::Count { expected: 2, got: 1 }));
    assert!(matches!(refused(&|p| p.proofs.push(p.proofs[0].clone())), RangeError::Count { expected: 2, got: 3 }));
    assert!(matches!(refused(&|p| p.range.weight_bits -= 1), RangeError::Lane { lane: 0, .. }));
    assert!(matches!(refused(&|p| p.range.bias_bits += 1), RangeError::Lane { lane: 0, .. }));
    assert!(matches!(refused(&|p| p.range.bias_bits = 60), RangeError::Compile(_)));
    assert!(matches!(refused(&|p| p.model_id[0] ^= 1), RangeError::OtherModel { .. }));
    for at in 0..proof.proofs[0].len() {
        if at % 97 == 0 {
            refused(&|p| p.proofs[0][at] ^= 1);
        }
    }
    // A proof of this model is none of its weights' range, nor the other way round.
    assert!(matches!(refused(&|p| p.proofs[0] = fixture.proof(1).bytes), RangeError::Lane { lane: 0, .. }));
    let mut claim = fixture.proof(1);
    claim.bytes = proof.proofs[0].clone();
    assert!(!fixture.verifies(&claim));
    // The same weights, committed to again: another model.
    let other = Fixture::new(small_cnn(2), &SetupOptions::default());
    let moved = RangeProof { model_id: other.prover.key.verifying.model_id(), ..proof.clone() };
    assert!(check(&other, &moved).is_err());
    // Another network's program reads other rows.
    let key = &fixture.prover.key;
    let error = verify_range(&PublicModel::of(&linked().prover.key), &key.verifying, development_srs(), &proof);
    assert!(matches!(error.unwrap_err(), RangeError::OtherProgram { .. }));
}

/// Whoever registers a weight beyond the range finds no witness: with the weight that is committed the equality fails, with one in range the
/// commitment is another.
#[test]
fn a_registered_weight_beyond_the_range_has_no_proof() {
    let mut fixture = secret();
    let lanes = fixture.prover.lanes.clone();
    let range = WeightRange::least(&fixture.prover.backend.program, &lanes);
    let program = range_program(&fixture.prover.backend.program, range).unwrap();
    let srs = development_srs();
    let lagrange = srs.lagrange(program.k).unwrap();
    let opening = Opening::fresh(WeightVisibility::Secret, 2, StdRng::seed_from_u64(9));
    // The first row has a weight in both lanes.
    for (weight, holds) in [(lanes.rows[0].1[0], true), (1 << (range.weight_bits - 1), false), (1 << 40, false)] {
        fixture.prover.lanes.rows[0].1[0] = weight;
        let registered = commit(&fixture.prover.lanes, 2, lagrange, WeightVisibility::Secret, &opening);
        let verifying = VerifyingKey { weights: registered, ..fixture.prover.key.verifying.clone() };
        let key = &lane_keys(&program, &verifying, srs).unwrap()[0];
        let backend = Backend::new(CpuEngine::default(), program.k, srs, || Ok(program.clone())).unwrap();
        let own = Opening { tails: zeroize::Zeroizing::new(vec![opening.tails[0]]) };
        let inside = lanes.lane(0);
        let phase0 = phase_zero_of_lane(&backend.program, &inside).unwrap();
        for lane in [fixture.prover.lanes.lane(0), inside] {
            let (rng, says) = (StdRng::seed_from_u64(4), statement(key, &verifying));
            let proof = prove_lane(&backend, Registered { key, opening: &own }, says, &phase0, &lane, rng).unwrap();
            let verified = verify(key, &fixture.srs, &proof);
            assert_eq!(verified.is_ok(), holds, "{weight}");
            if !holds {
                let expected = if lane == lanes.lane(0) {
                    "the weights are not the registered ones"
                } else {
                    "the circuit's equations"
                };
                assert!(matches!(verified.unwrap_err(), VerifyError::Invalid(what) if what == expected));
            }
        }
    }
}

#[test]
fn public_weights_have_no_range_proof() {
    let options = SetupOptions { visibility: WeightVisibility::Public, ..SetupOptions::default() };
    let fixture = Fixture::new(small_cnn(1), &options);
    assert!(matches!(prove(&fixture, None).unwrap_err(), ProveError::PublicWeights));
    let proof = prove(&secret(), None).unwrap();
    let proof = RangeProof { model_id: fixture.prover.key.verifying.model_id(), ..proof };
    assert!(matches!(check(&fixture, &proof).unwrap_err(), RangeError::PublicWeights));
}

#[test]
fn files_survive_and_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("range.json");
    let range = WeightRange { weight_bits: 9, bias_bits: 20 };
    let proof = RangeProof { model_id: [7; 32], range, proofs: vec![vec![1, 2], vec![]] };
    proof.save(&path).unwrap();
    assert_eq!(RangeProof::load(&path).unwrap(), proof);
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, says) in [
        ("inferproof/range", "inferproof/other", "it says `inferproof/other version 1`"),
        ("\"version\": 1", "\"version\": 2", "it says `inferproof/range version 2`"),
        ("\"0102\"", "\"01020\"", "not a range proof"),
        ("\"biasBits\"", "\"bits\"", "not a range proof"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = RangeProof::load(&path).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("range.json"), "{error}");
    }
}
