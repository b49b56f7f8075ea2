//! Why `omega` has two fresh blinding rows: with none, and with one, what anyone sees of enough proofs gives the weights away.
//!
//! The attacker has the verifying key, the program and proofs, nothing else. Argument: `docs/spec/commitment.md#zero-knowledge-of-the-weights`.

use super::support::{development_srs, inverted, small_multiples};
use super::*;
use crate::artefact::{decode_fr, encode_g1};
use crate::commitment::commit;
use ff::{Field, PrimeField};
use group::{Curve, Group};
use halo2_proofs::halo2curves::bn256::{Fr, G1};
use inferproof_circuits::integer::{Activation, Function, Interval, to_field};
use inferproof_circuits::network::{Architecture, LayerWeights, Node, Op, Term, Weights};
use inferproof_circuits::packing::Packing;
use inferproof_circuits::witness::{instance, phase_zero};
use std::collections::BTreeMap;

/// Where a proof, less its tag, has the evaluation of `omega`, and which challenges are `R` and `x`.
const OMEGA_EVALUATION: usize = 1_156 - 4 + 7 * 32;
const CHANNEL: usize = 0;
const POINT: usize = 8;
/// Integers that the attacker looks up.
const SMALL: i64 = 4_000;

/// What one proof shows of `omega`.
struct Seen {
    channel: Fr,
    x: Fr,
    commitment: G1Affine,
    evaluation: Fr,
}

/// A dense layer of two outputs: eight weights and two biases in two lanes.
fn model() -> Model {
    let activation = Activation { function: Function::Identity, range: Interval::new(-40, 39) };
    let op = Op::Affine { terms: vec![Term::Dense { input: 0 }], activation, quotient: Interval::new(-60, 60) };
    let node = |name: &str, shape, range, op| Node { name: name.into(), shape, range, op };
    let nodes =
        vec![node("input", vec![4], Interval::new(0, 15), Op::Input), node("dense", vec![2], activation.range, op)];
    let layer = LayerWeights { terms: vec![vec![11, -7, 3, -20, 19, 5, -1, 8]], bias: vec![-150, 222] };
    Model {
        name: "victim".into(),
        source_digest: [0; 32],
        architecture: Architecture { shift: 5, nodes, output: 1 },
        weights: Weights { layers: BTreeMap::from([(1, layer)]) },
        tensor_scales: vec![1.0; 2],
    }
}

/// How much of the two blinding rows is random.
#[derive(Clone, Copy, PartialEq)]
enum Blinding {
    /// Nothing.
    None,
    /// The last row, in lanes and in `omega`.
    One,
    /// Both rows in the lanes, but `omega` has the registered cell on the first again: lane 1 has none there, so that it does not depend on `R`.
    Reused,
    /// All of it.
    Two,
}

/// Keys of the real setup, weakened.
fn weakened(blinding: Blinding) -> Fixture {
    let layout = Some(Layout::direct(2));
    let mut fixture = Fixture::new(model(), &SetupOptions { layout, ..SetupOptions::default() });
    let prover = &mut fixture.prover;
    let zero = Secret(Fr::ZERO);
    match blinding {
        Blinding::None => prover.key.opening.tails.iter_mut().for_each(|tail| *tail = [zero; 2]),
        Blinding::One => prover.key.opening.tails.iter_mut().for_each(|tail| tail[0] = zero),
        Blinding::Reused => prover.key.opening.tails[1][0] = zero,
        Blinding::Two => {}
    }
    let lagrange = development_srs().lagrange(prover.backend.program.k).unwrap();
    let (visibility, opening) = (WeightVisibility::Secret, &prover.key.opening);
    prover.key.verifying.weights = commit(&prover.lanes, 2, lagrange, visibility, opening);
    fixture
}

/// A proof by such a prover, which verifies, and what it shows.
fn observe(fixture: &Fixture, blinding: Blinding, seed: u64) -> Seen {
    let prover = &fixture.prover;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut tail = [(); 2].map(|()| Secret(Fr::random(&mut rng)));
    match blinding {
        Blinding::None => tail = [Secret(Fr::ZERO); 2],
        Blinding::One => tail[0] = Secret(Fr::ZERO),
        Blinding::Reused => tail[0] = prover.key.opening.tails[0][0],
        Blinding::Two => {}
    }
    let trace = prover.run(&fixture.input).unwrap();
    let Model { architecture, weights, .. } = &prover.key.model;
    let output = &trace.values[architecture.output];
    let bytes = |packing: &Packing, values: &[i64]| packing.encode(values);
    let statement = Statement {
        model_id: prover.key.verifying.model_id(),
        // Another use each time: a verifier asks for as many proofs as it likes.
        context: [seed as u8; 32],
        input: bytes(&prover.backend.program.input, &fixture.input),
        output: bytes(&prover.backend.program.output, output),
    };
    let claim = Claim { statement, instance: instance(&prover.backend.program, &fixture.input, output), linked: None };
    let phase0 = phase_zero(&prover.backend.program, architecture, weights, &trace, None).unwrap();
    let witness = PhaseOneInput { phase0: &phase0, lanes: &prover.lanes, instance: &claim.instance };
    let circuit = MachineCircuit::new(&prover.backend.program, Some(witness));
    let proof = prover.backend.blinded(prover.registered(), circuit, &claim, &tail, rng, UNWATCHED).unwrap();
    fixture.verify(&proof).unwrap();
    seen(fixture, &proof)
}

/// What anyone reads off a proof.
fn seen(fixture: &Fixture, proof: &Proof) -> Seen {
    let transcript = fixture.replayed(proof);
    let evaluation = proof.bytes[4..][OMEGA_EVALUATION..][..32].try_into().unwrap();
    Seen {
        channel: transcript.challenge(CHANNEL).unwrap(),
        x: transcript.challenge(POINT).unwrap(),
        commitment: transcript.point_read(Shape::Single.omega()).unwrap(),
        evaluation: decode_fr(&evaluation).unwrap(),
    }
}

/// The unknowns: cells of the lanes on rows with weights, and on rows `n-2` and `n-1`.
fn unknowns(fixture: &Fixture) -> Vec<(usize, usize)> {
    let program = &fixture.prover.backend.program;
    let slots = (0..program.rows.len()).filter(|row| program.rows[*row].slot.is_some());
    let rows: Vec<usize> = slots.chain([(1 << program.k) - 2, (1 << program.k) - 1]).collect();
    (0..2).flat_map(|lane| rows.iter().map(move |row| (lane, *row))).collect()
}

/// `L_row(x)` for `2^k` rows.
fn lagrange(k: u32, row: usize, x: Fr) -> Fr {
    let n = 1u64 << k;
    let root = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square()).pow_vartime([row as u64]);
    (x.pow_vartime([n]) - Fr::ONE) * root * (Fr::from(n) * (x - root)).invert().unwrap()
}

/// The inverse of the matrix of the unknowns' coefficients in `omega(x)`, a row a proof.
fn inverse(k: u32, unknowns: &[(usize, usize)], proofs: &[Seen]) -> Vec<Vec<Fr>> {
    let coefficient =
        |seen: &Seen, (lane, row): (usize, usize)| seen.channel.pow_vartime([lane as u64]) * lagrange(k, row, seen.x);
    let row = |seen| unknowns.iter().map(|unknown| coefficient(seen, *unknown)).collect();
    inverted(proofs.iter().map(row).collect())
}

/// What the lanes really hold, in the order of the unknowns; `None` for a random blinding cell.
fn secret(fixture: &Fixture, unknowns: &[(usize, usize)]) -> Vec<Option<i64>> {
    let Prover { lanes, backend: Backend { program, .. }, key } = &fixture.prover;
    let rows: BTreeMap<usize, &Vec<i64>> = lanes.rows.iter().map(|(row, w)| (*row, w)).collect();
    let first = (1 << program.k) - 2;
    let cell = |(lane, row): &(usize, usize)| match rows.get(row) {
        Some(weights) => Some(weights[*lane]),
        None => (key.opening.tails[*lane][row - first].0 == Fr::ZERO).then_some(0),
    };
    unknowns.iter().map(cell).collect()
}

/// As many proofs as there are unknowns.
fn observed(fixture: &Fixture, blinding: Blinding) -> Vec<Seen> {
    (0..unknowns(fixture).len() as u64).map(|seed| observe(fixture, blinding, seed)).collect()
}

/// No blinding: the evaluations are linear equations in the weights.
#[test]
fn without_blinding_evaluations_give_the_weights() {
    let fixture = weakened(Blinding::None);
    let (unknowns, proofs) = (unknowns(&fixture), observed(&fixture, Blinding::None));
    let inverse = inverse(fixture.prover.backend.program.k, &unknowns, &proofs);
    for (row, weight) in inverse.iter().zip(secret(&fixture, &unknowns)) {
        let found: Fr = row.iter().zip(&proofs).map(|(cell, seen)| *cell * seen.evaluation).sum();
        assert_eq!(found, to_field(weight.expect("no cell is random")));
    }
}

/// The weights that the attack on one blinding row finds, and the true ones.
fn in_the_exponent(fixture: &Fixture, proofs: &[Seen]) -> (Vec<Option<i64>>, Vec<Option<i64>>) {
    let k = fixture.prover.backend.program.k;
    let unknowns = unknowns(fixture);
    let base = G1::from(fixture.srs.span(k).unwrap()[1]);
    // omega(x) B - L(x) (C_omega - sum R^j C_j) = (sum_j R^j w_j(x)) B, if there is one blinding row.
    let last = (1 << k) - 1;
    let forms: Vec<G1> = proofs
        .iter()
        .map(|seen| {
            let difference = G1::from(seen.commitment) - fixture.prover.key.verifying.weights.fold(seen.channel);
            base * seen.evaluation - difference * lagrange(k, last, seen.x)
        })
        .collect();
    let table = small_multiples(base, SMALL);
    let found = inverse(k, &unknowns, proofs).into_iter().map(|row| {
        let sum = row.iter().zip(&forms).fold(G1::identity(), |sum, (cell, form)| sum + *form * *cell);
        table.get(&encode_g1(&sum.to_affine())).copied()
    });
    (found.collect(), secret(fixture, &unknowns))
}

/// One blinding row: the weights stand in the exponent of a known base, and small integers fall to a table.
#[test]
fn one_blinding_row_gives_the_weights_in_the_exponent() {
    // The second kind has two random rows in every lane, and still only one that is fresh.
    for (blinding, zeros) in [(Blinding::One, 2), (Blinding::Reused, 1)] {
        let fixture = weakened(blinding);
        let (found, secret) = in_the_exponent(&fixture, &observed(&fixture, blinding));
        assert_eq!(secret.iter().flatten().count(), 10 + zeros, "eight weights and two biases");
        // The lanes' own blinding cells are unknowns too, and uniform.
        assert_eq!(found, secret);
    }
}

/// Two: the same attacks, on as many proofs of the real prover, find nothing.
#[test]
fn two_blinding_rows_give_nothing() {
    let fixture = weakened(Blinding::Two);
    let unknowns = unknowns(&fixture);
    let proofs: Vec<Seen> = (0..unknowns.len() as u64).map(|seed| seen(&fixture, &fixture.proof(seed))).collect();
    let (found, secret) = in_the_exponent(&fixture, &proofs);
    assert!(found.iter().all(Option::is_none), "{found:?}");
    let inverse = inverse(fixture.prover.backend.program.k, &unknowns, &proofs);
    for (row, weight) in inverse.iter().zip(secret) {
        let guess: Fr = row.iter().zip(&proofs).map(|(cell, seen)| *cell * seen.evaluation).sum();
        assert!(weight.is_none_or(|weight| guess != to_field(weight)));
    }
}

/// Two proofs of one statement share no commitment to a witness, no evaluation of one and no opening.
#[test]
fn proofs_of_one_statement_share_nothing() {
    let fixture = weakened(Blinding::Two);
    let [one, two] = [1, 2].map(|seed| fixture.proof(seed));
    assert_eq!(one.statement, two.statement);
    let mut words: Vec<&[u8]> = one.bytes[4..].chunks(32).chain(two.bytes[4..].chunks(32)).collect();
    let all = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), all);
}
