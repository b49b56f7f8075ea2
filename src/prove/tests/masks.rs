//! Why a proof that speaks of a committed tensor has a mask of two cells, whatever else is committed.

use super::links::Forger;
use super::support::{inverted, small_multiples};
use super::*;
use crate::artefact::decode_fr;
use crate::commitment::{commit_polynomial, statement_point};
use crate::transcript::Recorded;
use group::Curve;

/// What one proof shows of a committed input, and the attacker's equation: a coefficient for each cell of its polynomial.
struct Shown {
    mask: G1,
    value: Fr,
    point: Fr,
    row: Vec<Fr>,
}

/// Reads it off a proof with secret weights, by public means.
fn shown(fixture: &Fixture, proof: &Proof) -> Shown {
    let transcript = fixture.replayed(proof);
    let [channel, position] = [0, 1].map(|index| transcript.challenge(index).unwrap());
    let point = position.invert().unwrap();
    let end = proof.bytes.len() - 128;
    let value = decode_fr(&proof.bytes[end - 96..end - 64].try_into().unwrap()).unwrap();
    let cells = fixture.input.len() + 2;
    let row = (1..=cells).map(|power| channel * point.pow_vartime([power as u64])).collect();
    let mask = statement_point(&proof.bytes[4..68]).unwrap().into();
    Shown { mask, value, point, row }
}

/// Proofs of one input commitment, with masks of so many random cells.
fn observed(forger: &mut Forger<'_>, cells: usize) -> Vec<Shown> {
    let unknowns = forger.fixture.input.len() + 2;
    let mut proof = |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut mask = [Secret::default(); 2];
        mask.iter_mut().take(cells).for_each(|cell| cell.0 = Fr::random(&mut rng));
        forger.mask = Some(mask);
        let statement = Statement { context: [seed as u8; 32], ..forger.statement() };
        let proof = forger.prove(statement, forger.link(0, 0), forger.link(0, 0), None);
        forger.fixture.verify(&proof).unwrap();
        shown(forger.fixture, &proof)
    };
    (0..unknowns as u64).map(&mut proof).collect()
}

/// Whoever gets a fresh output opened subtracts it from the value that the proof shows. What is left of the input is masked: the guess of an input that this would
/// confirm is confirmed by no proof.
#[test]
fn an_opened_output_shows_nothing_of_the_input() {
    let fixture = linked();
    let input = fixture.proved(1).openings.input.unwrap();
    // Two values would give the input's two blinding cells for each guess, and its commitment would confirm the right one.
    let values = [2, 3].map(|seed| {
        let rng = StdRng::seed_from_u64(seed);
        let Proved { proof, openings } =
            fixture.prover.prove_committed(Source::Opening(&input), None, CONTEXT, rng).unwrap();
        let transcript = fixture.replayed(&proof);
        let [channel, position] = [0, 1].map(|index| transcript.challenge(index).unwrap());
        let end = proof.bytes.len() - 128;
        let shown = decode_fr(&proof.bytes[end - 96..end - 64].try_into().unwrap()).unwrap();
        let point = position.invert().unwrap();
        let at_point = |polynomial: &[Secret]| polynomial.iter().rev().fold(Fr::ZERO, |sum, c| (sum + c.0) * point);
        let interface = fixture.prover.backend.program.interface;
        let power = |end| channel.pow_vartime([interface.number(end) as u64]);
        let left = shown - power(End::Output) * at_point(&openings.output.unwrap().polynomial());
        (left * power(End::Input).invert().unwrap(), at_point(&input.polynomial()), point)
    });
    for (left, truth, _) in values {
        assert_ne!(left, truth, "unmasked");
    }
    let elements = &input.polynomial()[2..];
    let guess = |(left, _, point): (Fr, Fr, Fr)| {
        left - elements.iter().rev().fold(Fr::ZERO, |sum, c| (sum + c.0) * point) * point.square()
    };
    let [one, two] = values.map(guess);
    let [p, q] = values.map(|(_, _, point)| point);
    // b_0 v + b_1 v^2 at two points.
    let second = (one * p.invert().unwrap() - two * q.invert().unwrap()) * (p - q).invert().unwrap();
    let first = one * p.invert().unwrap() - second * p;
    let guessed = inferproof_circuits::witness::tensor_polynomial(&[Secret(first), Secret(second)], input.values());
    let point = commit_polynomial(&fixture.prover.backend.powers, &guessed).unwrap();
    assert_ne!(encode_g1(&point), input.commitment().bytes(), "the right guess is confirmed");
}

/// A tensor of few elements, so that few proofs are enough.
fn short() -> Fixture {
    let mut model = small_cnn(1);
    // Its last layer alone.
    let dense = model.weights.layers.pop_last().unwrap().1;
    let mut last = model.architecture.nodes.pop().unwrap();
    let range = model.architecture.nodes[3].range;
    let inferproof_circuits::network::Op::Affine { terms, .. } = &mut last.op else { unreachable!() };
    *terms = vec![inferproof_circuits::network::Term::Dense { input: 0 }];
    let input = inferproof_circuits::network::Node {
        name: "input".into(),
        shape: vec![8],
        range,
        op: inferproof_circuits::network::Op::Input,
    };
    model.architecture.nodes = vec![input, last];
    model.architecture.output = 1;
    model.weights.layers = std::collections::BTreeMap::from([(1, dense)]);
    model.tensor_scales = vec![10.0; 2];
    let interface = Interface { input: Visibility::Committed, output: Visibility::Public };
    Fixture::new(model, &SetupOptions { interface, ..SetupOptions::default() })
}

/// One mask cell: `nu [tau] - v M` is a known linear form of the input's cells in the exponent of `[tau]`; enough proofs give each element.
/// Two cells: the same computation finds nothing.
#[test]
fn one_mask_cell_gives_the_tensor() {
    let fixture = short();
    let mut forger = Forger::new(&fixture);
    let base = G1::from(fixture.prover.backend.powers[1]);
    let table = small_multiples(base, 64);
    let cells: Vec<Option<i64>> = [None, None].into_iter().chain(fixture.input.iter().map(|x| Some(*x))).collect();
    for (random, broken) in [(1, true), (2, false)] {
        let proofs = observed(&mut forger, random);
        let forms: Vec<G1> = proofs.iter().map(|shown| base * shown.value - shown.mask * shown.point).collect();
        let inverse = inverted(proofs.iter().map(|shown| shown.row.clone()).collect());
        let found: Vec<Option<i64>> = inverse
            .into_iter()
            .map(|row| {
                let sum = row.iter().zip(&forms).fold(G1::identity(), |sum, (cell, form)| sum + *form * *cell);
                table.get(&encode_g1(&sum.to_affine())).copied()
            })
            .collect();
        if broken {
            assert_eq!(found, cells, "every element, and no blinding cell");
        } else {
            assert!(found.iter().all(Option::is_none), "{found:?}");
        }
    }
}
