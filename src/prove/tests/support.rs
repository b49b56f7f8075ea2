//! A small network with keys.

use super::*;
use crate::artefact::G1_BYTES;
use crate::transcript::VerifierTranscript;
use group::Curve;
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use inferproof_circuits::formula::{Formula, Real};
use inferproof_circuits::integer::{Activation, Function, Interval, to_field};
use inferproof_circuits::network::{
    Architecture, LayerWeights, Node, Op, Term, Weights, Window, affine_quotients, published_interval,
};
use std::collections::BTreeMap;

/// Adds affine node `shape` with seeded weights.
fn affine(
    a: &mut Architecture,
    w: &mut Weights,
    shape: &[usize],
    activation: Activation,
    term: Term,
    rng: &mut StdRng,
) {
    let id = a.nodes.len();
    let terms = vec![term];
    let op = Op::Affine { terms: terms.clone(), activation, quotient: Interval::new(-1, 1) };
    a.nodes.push(Node { name: format!("affine{id}"), shape: shape.to_vec(), range: activation.range, op });
    let layer = LayerWeights {
        terms: terms.iter().map(|t| (0..a.term_weights(id, t)).map(|_| rng.gen_range(-20..=20)).collect()).collect(),
        bias: (0..shape[0]).map(|_| rng.gen_range(-300..=300)).collect(),
    };
    let bound = affine_quotients(a, id, &layer).unwrap();
    let Op::Affine { quotient, .. } = &mut a.nodes[id].op else { unreachable!() };
    *quotient = published_interval(bound);
    w.layers.insert(id, layer);
    a.output = id;
}

/// A convolution with a fused maximum, then a dense layer: every kind of witness cell in few rows.
pub(super) fn small_cnn(seed: u64) -> Model {
    let mut rng = StdRng::seed_from_u64(seed);
    let relu = Activation { function: Function::Relu, range: Interval::new(0, 31) };
    let signed = Activation { function: Function::Identity, range: Interval::new(-40, 39) };
    let input = Node { name: "input".into(), shape: vec![1, 5, 5], range: Interval::new(0, 15), op: Op::Input };
    let mut a = Architecture { shift: 5, nodes: vec![input], output: 0 };
    let mut w = Weights { layers: BTreeMap::new() };
    let conv = Term::Conv {
        input: 0,
        window: Window { kernel: [3, 3], strides: [1, 1], pads: [1; 4], dilations: [1; 2] },
        groups: 1,
    };
    affine(&mut a, &mut w, &[2, 5, 5], relu, conv, &mut rng);
    let pool = Op::MaxPool { input: 1, kernel: [2, 2] };
    a.nodes.push(Node { name: "pool".into(), shape: vec![2, 2, 2], range: relu.range, op: pool });
    a.nodes.push(Node { name: "flat".into(), shape: vec![8], range: relu.range, op: Op::Reshape { input: 2 } });
    affine(&mut a, &mut w, &[3], signed, Term::Dense { input: 3 }, &mut rng);
    let tensor_scales = vec![10.0; a.nodes.len()];
    Model { name: "small".into(), source_digest: [0; 32], architecture: a, weights: w, tensor_scales }
}

/// Convolutions after each other, one of them with a stride: neighbours in both chains, and in one alone.
pub(super) fn small_chain(seed: u64) -> Model {
    let mut rng = StdRng::seed_from_u64(seed);
    let relu = Activation { function: Function::Relu, range: Interval::new(0, 31) };
    let input = Node { name: "input".into(), shape: vec![1, 4, 6], range: Interval::new(0, 15), op: Op::Input };
    let mut a = Architecture { shift: 5, nodes: vec![input], output: 0 };
    let mut w = Weights { layers: BTreeMap::new() };
    let conv = |input, kernel, stride, pad| Term::Conv {
        input,
        window: Window { kernel: [kernel; 2], strides: [stride; 2], pads: [pad; 4], dilations: [1; 2] },
        groups: 1,
    };
    affine(&mut a, &mut w, &[2, 4, 6], relu, conv(0, 3, 1, 1), &mut rng);
    affine(&mut a, &mut w, &[2, 2, 3], relu, conv(1, 3, 2, 1), &mut rng);
    affine(&mut a, &mut w, &[1, 2, 3], relu, conv(2, 1, 1, 0), &mut rng);
    let tensor_scales = vec![10.0; a.nodes.len()];
    Model { name: "small".into(), source_digest: [0; 32], architecture: a, weights: w, tensor_scales }
}

/// Groups, a formula, a product, moved elements and a search: the kinds of cells that [`small_cnn`] has not.
pub(super) fn small_search(seed: u64) -> Model {
    let mut rng = StdRng::seed_from_u64(seed);
    let domain = Interval::new(-60, 60);
    let gelu = Function::Formula { formula: Formula::Gelu, from: Real(20.0), to: Real(15.0), domain };
    let gelu = Activation { function: gelu, range: Interval::new(-15, 15) };
    let signed = Activation { function: Function::Identity, range: Interval::new(-40, 39) };
    let input = Node { name: "input".into(), shape: vec![2, 2, 3], range: Interval::new(0, 15), op: Op::Input };
    let mut a = Architecture { shift: 5, nodes: vec![input], output: 0 };
    let mut w = Weights { layers: BTreeMap::new() };
    let window = Window { kernel: [3, 3], strides: [1, 1], pads: [1; 4], dilations: [1; 2] };
    affine(&mut a, &mut w, &[2, 2, 3], gelu, Term::Conv { input: 0, window, groups: 2 }, &mut rng);
    affine(&mut a, &mut w, &[2, 2, 3], signed, Term::Product { left: 1, right: 0, factor: 5 }, &mut rng);
    let mut push = |shape: &[usize], range, op| {
        let node = Node { name: format!("node{}", a.nodes.len()), shape: shape.to_vec(), range, op };
        a.nodes.push(node);
        a.output = a.nodes.len() - 1;
    };
    let range = signed.range;
    let indices = vec![Some(2), None, Some(0)];
    push(&[2, 2, 3], range, Op::Take { input: 2, axis: 2, indices, fill: -3 });
    push(&[4, 3], range, Op::Reshape { input: 3 });
    push(&[1, 4, 3], range, Op::Reshape { input: 3 });
    push(&[1, 4, 1], range, Op::MaxPool { input: 5, kernel: [1, 3] });
    push(&[4, 3], Interval::new(0, 1), Op::BeforeMax { input: 4, maximum: 6 });
    push(&[4, 6], Interval::new(0, 1), Op::Concat { inputs: vec![7, 7], axis: 1 });
    let tensor_scales = vec![10.0; a.nodes.len()];
    Model { name: "small".into(), source_digest: [0; 32], architecture: a, weights: w, tensor_scales }
}

/// Keys and a prover of one model.
pub(super) struct Fixture {
    pub prover: Prover,
    pub srs: SrsVerifier,
    pub whole_srs: &'static Srs,
    pub input: Vec<i64>,
}

impl Fixture {
    pub(super) fn new(model: Model, options: &SetupOptions) -> Self {
        Self::over(development_srs(), model, options)
    }

    /// With another SRS.
    pub(super) fn over(srs: &'static Srs, model: Model, options: &SetupOptions) -> Self {
        let (key, _) = setup(&model, srs, options, StdRng::seed_from_u64(11)).unwrap();
        let mut rng = StdRng::seed_from_u64(5);
        let node = &model.architecture.nodes[0];
        let elements = key.layout.batch * node.len();
        let input = (0..elements).map(|_| rng.gen_range(node.range.lo..=node.range.hi)).collect();
        Self { prover: Prover::new(key, srs).unwrap(), srs: srs.verifier_part(), whole_srs: srs, input }
    }

    /// An honest proof.
    pub(super) fn proof(&self, seed: u64) -> Proof {
        self.proved(seed).proof
    }

    /// An honest proof, with what opens its commitments.
    pub(super) fn proved(&self, seed: u64) -> Proved {
        self.prover.prove_committed(Source::Values(&self.input), None, CONTEXT, StdRng::seed_from_u64(seed)).unwrap()
    }

    /// Commitments to what the program commits of a trace.
    pub(super) fn openings(&self, trace: &Trace) -> Openings {
        let mut openings = Openings::default();
        for end in self.prover.backend.program.interface.committed() {
            let values = if end == End::Input { &self.input } else { trace.values.last().unwrap() };
            *openings.of_mut(end) = Some(self.prover.commit(end, values, &[], StdRng::seed_from_u64(6)).unwrap());
        }
        openings
    }

    /// A proof of another input.
    pub(super) fn proof_of(&self, seed: u64) -> Proof {
        let range = self.prover.key.model.architecture.nodes[0].range;
        let mut rng = StdRng::seed_from_u64(seed);
        let input: Vec<i64> = self.input.iter().map(|_| rng.gen_range(range.lo..=range.hi)).collect();
        self.prover.prove_committed(Source::Values(&input), None, CONTEXT, rng).unwrap().proof
    }

    /// A proof of a changed witness, not checked.
    pub(super) fn forge(&self, attack: &Attack<'_>) -> Proof {
        let trace = self.prover.run(&self.input).unwrap();
        let (openings, rng) = (self.openings(&trace), StdRng::seed_from_u64(1));
        self.prover.prove_trace(&self.input, &trace, &openings, CONTEXT, rng, Some(attack), UNWATCHED).unwrap()
    }

    /// What anyone sees of a proof: the verifier's transcript after halo2's part.
    pub(super) fn replayed<'a>(&self, proof: &'a Proof) -> VerifierTranscript<'a> {
        let verifying = &self.prover.key.verifying;
        let (mask, body) = proof.bytes[4..].split_at(if verifying.io.interface.is_masked() { 64 } else { 0 });
        let prefix = [&proof.statement.transcript_prefix(), mask].concat();
        let params = self.srs.params(verifying.k).unwrap();
        let words = |end, bytes: &[u8]| match verifying.io.interface.of(end) {
            Visibility::Public => verifying.io.of(end).packing.words_of(bytes).unwrap(),
            Visibility::Committed | Visibility::Given | Visibility::Private => vec![],
        };
        let statement = &proof.statement;
        let words = [words(End::Input, &statement.input), words(End::Output, &statement.output)].concat();
        let mut transcript = VerifierTranscript::new(&prefix, body);
        plonk::verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
            &params,
            &verifying.halo2_verifying(),
            SingleStrategy::new(&params),
            &[&[&words]],
            &mut transcript,
        )
        .unwrap();
        transcript
    }

    pub(super) fn verify(&self, proof: &Proof) -> Result<(), VerifyError> {
        verify(&self.prover.key.verifying, &self.srs, proof)
    }

    pub(super) fn verifies(&self, proof: &Proof) -> bool {
        self.verify(proof).is_ok()
    }
}

/// The inverse of a square matrix.
pub(super) fn inverted(matrix: Vec<Vec<Fr>>) -> Vec<Vec<Fr>> {
    let size = matrix.len();
    let unit = |i| (0..size).map(move |j| if i == j { Fr::ONE } else { Fr::ZERO });
    let mut matrix: Vec<Vec<Fr>> =
        matrix.into_iter().enumerate().map(|(i, row)| row.into_iter().chain(unit(i)).collect()).collect();
    for column in 0..size {
        let pivot = (column..size).find(|row| matrix[*row][column] != Fr::ZERO).expect("independent rows");
        matrix.swap(column, pivot);
        let scale = matrix[column][column].invert().unwrap();
        matrix[column].iter_mut().for_each(|cell| *cell *= scale);
        let pivot = matrix[column].clone();
        for (_, cells) in matrix.iter_mut().enumerate().filter(|(row, _)| *row != column) {
            let factor = cells[column];
            cells.iter_mut().zip(&pivot).for_each(|(cell, pivot)| *cell -= factor * pivot);
        }
    }
    matrix.into_iter().map(|row| row[size..].to_vec()).collect()
}

/// The multiples of `base` by integers up to `most` in magnitude: logarithms of small integers.
pub(super) fn small_multiples(base: G1, most: i64) -> BTreeMap<[u8; G1_BYTES], i64> {
    let mut point = base * to_field(-most);
    let mut entry = |value| {
        let entry = (encode_g1(&point.to_affine()), value);
        point += base;
        entry
    };
    (-most..=most).map(&mut entry).collect()
}

/// One SRS for all tests.
pub(super) fn development_srs() -> &'static Srs {
    static SRS: std::sync::OnceLock<Srs> = std::sync::OnceLock::new();
    SRS.get_or_init(|| Srs::development(11, StdRng::seed_from_u64(1)).unwrap())
}
