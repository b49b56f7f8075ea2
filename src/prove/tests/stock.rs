//! halo2's own prover, the oracle of ours. It ends at a third phase, so it proves programs of [`Shape::Single`] alone; the others are held to
//! [`ReferenceEngine`](crate::engine::ReferenceEngine), and to halo2's verifier like all.
//!
//! [`OmegaTail`] is a generator that sets the blinding rows of `omega`.
//! The stock prover draws the random rows of every advice column from the caller's generator: phase by
//! phase, column by column, six cells each, then one unused scalar a column. `Fr::random` takes eight
//! words, little-endian, and reduces them mod `p`; so answering the words of `omega`'s cells chooses them.
//! A test fixes this order.

use super::*;
use crate::quantise::{QuantiseOptions, Samples, quantise};
use crate::transcript::ProverTranscript;
use ff::PrimeField;
use halo2_proofs::plonk::{create_proof, keygen_pk};
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use inferproof_circuits::machine::{BLINDING_ROWS, Shape, UNUSABLE_ROWS};
use inferproof_circuits::testing::random_network;
use inferproof_circuits::witness::PhaseZero;

const WORDS: usize = 8;

/// The phases before draw their rows and one scalar a column; `omega` is the first column of the last phase.
const fn first_word(shape: Shape) -> usize {
    WORDS * shape.omega() * (UNUSABLE_ROWS + 1)
}

/// Serves the last rows of `omega`: zeros, then the two blinding cells. All else comes from the inner generator.
struct OmegaTail<'a, R> {
    inner: &'a mut R,
    first: usize,
    words: [u64; WORDS * UNUSABLE_ROWS],
    served: usize,
}

impl<'a, R: RngCore + CryptoRng> OmegaTail<'a, R> {
    fn new(shape: Shape, inner: &'a mut R, tail: &[Secret; BLINDING_ROWS]) -> Self {
        let mut words = [0; WORDS * UNUSABLE_ROWS];
        for (slot, cell) in words.chunks_exact_mut(WORDS).skip(UNUSABLE_ROWS - BLINDING_ROWS).zip(tail) {
            for (word, bytes) in slot.iter_mut().zip(cell.0.to_repr().as_ref().chunks_exact(8)) {
                *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            }
        }
        Self { inner, first: first_word(shape), words, served: 0 }
    }
}

impl<R> Drop for OmegaTail<'_, R> {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.words);
    }
}

impl<R: RngCore> RngCore for OmegaTail<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.inner.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        let position = self.served.checked_sub(self.first);
        self.served += 1;
        match position.and_then(|p| self.words.get(p)) {
            Some(word) => *word,
            None => self.inner.next_u64(),
        }
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.inner.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.inner.try_fill_bytes(dest)
    }
}

/// halo2's proof of a circuit with the given rows of `omega`: what [`Backend::blinded`] writes between statement and span proof.
fn stock_proof(
    fixture: &Fixture,
    circuit: MachineCircuit<'_>,
    claim: &Claim,
    tail: &[Secret; 2],
    seed: u64,
) -> ProverTranscript {
    let key = &fixture.prover.key.verifying;
    let params = fixture.whole_srs.params(key.k).unwrap();
    let halo2 = keygen_pk(&params, key.halo2_proving(), &MachineCircuit::new(circuit.program, None)).unwrap();
    let mut transcript = ProverTranscript::new(&claim.statement.transcript_prefix());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        &params,
        &halo2,
        &[circuit],
        &[&[&claim.instance]],
        OmegaTail::new(key.shape, &mut StdRng::seed_from_u64(seed), tail),
        &mut transcript,
    )
    .unwrap();
    transcript
}

/// What an honest execution claims, and its columns.
fn execution(fixture: &Fixture) -> (Statement, PhaseZero, Vec<Fr>) {
    let prover = &fixture.prover;
    let trace = prover.run(&fixture.input).unwrap();
    let model = &prover.key.model;
    let phase0 = phase_zero(&prover.backend.program, &model.architecture, &model.weights, &trace, None).unwrap();
    let output = trace.values.last().unwrap();
    let instance = instance(&prover.backend.program, &fixture.input, output);
    let statement = Statement {
        model_id: prover.key.verifying.model_id(),
        context: CONTEXT,
        input: prover.backend.program.input.encode(&fixture.input),
        output: prover.backend.program.output.encode(output),
    };
    (statement, phase0, instance)
}

/// Random networks with their keys, in any layout of a shape, with any visibility of the weights.
pub(super) fn random_fixtures(shape: Shape, count: usize) -> impl Iterator<Item = Fixture> {
    let fixture = move |seed: u64| {
        let (architecture, weights) = random_network(seed);
        let tensor_scales = vec![10.0; architecture.nodes.len()];
        let model = Model { name: "random".into(), source_digest: [0; 32], architecture, weights, tensor_scales };
        let mut rng = StdRng::seed_from_u64(seed);
        let mut one_of = |choices: &[usize]| choices[rng.gen_range(0..choices.len())];
        let (lanes, limb, batch) = (one_of(&[1, 2, 3, 8]), one_of(&[0, 2, 3, 4]) as u32, one_of(&[1, 1, 2, 3]));
        let limbed = [Limbed::All, Limbed::Flat][one_of(&[0, 1])];
        let layout = Layout { lanes, limb: (limb > 0).then_some(limb), limbed, batch, shape };
        let options = SetupOptions { layout: Some(layout), ..SetupOptions::default() };
        // Some are larger than the SRS.
        setup(&model, development_srs(), &options, StdRng::seed_from_u64(1)).ok()?;
        Some(Fixture::new(model, &options))
    };
    (0..).filter_map(fixture).take(count)
}

/// halo2's prover and ours make proofs of one format: what verifies one verifies the other.
#[test]
fn proofs_of_halo2s_prover_verify() {
    [secret(), searched()]
        .into_iter()
        .chain(random_fixtures(Shape::Single, 6))
        .for_each(|fixture| a_proof_of_halo2s_prover(&fixture));
}

/// A network that comes with the project.
fn network(name: &str, srs: &'static Srs, options: &QuantiseOptions) -> Fixture {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let graph = crate::onnx::import_file(path.with_extension("onnx")).unwrap();
    let samples = Samples::load(format!("{}_samples.npz", path.display()), graph.input_shape()).unwrap();
    let (model, _) = quantise(&graph, &samples, options).unwrap();
    Fixture::over(srs, model, &SetupOptions { shape: Some(Shape::Single), ..SetupOptions::default() })
}

#[test]
fn proofs_of_halo2s_prover_of_networks() {
    static SRS: std::sync::OnceLock<Srs> = std::sync::OnceLock::new();
    let srs = SRS.get_or_init(|| Srs::development(14, StdRng::seed_from_u64(1)).unwrap());
    for name in ["digits_mlp", "digits_cnn"] {
        a_proof_of_halo2s_prover(&network(name, srs, &QuantiseOptions::default()));
    }
    let operators = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ops");
    let files = std::fs::read_dir(operators).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    assert!(files.len() >= 25, "{} operators", files.len());
    let small = QuantiseOptions { activation_bits: 6, shift: 7, ..QuantiseOptions::default() };
    for file in files {
        let name = format!("ops/{}", file.file_stem().unwrap().to_string_lossy());
        a_proof_of_halo2s_prover(&network(&name, srs, &small));
    }
}

#[test]
#[ignore = "half a minute, for `.ci/large`"]
fn a_proof_of_halo2s_prover_of_the_largest_network() {
    static SRS: std::sync::OnceLock<Srs> = std::sync::OnceLock::new();
    let srs = SRS.get_or_init(|| Srs::development(17, StdRng::seed_from_u64(1)).unwrap());
    a_proof_of_halo2s_prover(&network("resnet8", srs, &QuantiseOptions::default()));
}

fn a_proof_of_halo2s_prover(fixture: &Fixture) {
    let (proof, tail) = (fixture.proof(1), [Secret(Fr::from(11)), Secret(Fr::from(12))]);
    let prover = &fixture.prover;
    let (statement, phase0, instance) = execution(fixture);
    let claim = Claim { statement, instance, linked: None };
    let witness = PhaseOneInput { phase0: &phase0, lanes: &prover.lanes, instance: &claim.instance };
    let circuit = MachineCircuit::new(&prover.backend.program, Some(witness));
    let mut transcript = stock_proof(fixture, circuit, &claim, &tail, 21);
    let rng = StdRng::seed_from_u64(22);
    prover.backend.append_span_proof(prover.registered(), &mut transcript, G1::identity(), &tail, rng).unwrap();
    let bytes = [&proof.bytes[..4], &transcript.finish()].concat();
    assert_eq!(bytes.len(), proof.bytes.len());
    assert!(fixture.verifies(&Proof { bytes, ..proof }));
}

/// Serves given scalars from one of a generator's draws of scalars on.
struct Served<'a> {
    inner: StdRng,
    first: usize,
    scalars: &'a [Fr],
    words: usize,
}

impl RngCore for Served<'_> {
    fn next_u32(&mut self) -> u32 {
        self.inner.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        let (draw, word) = (self.words / WORDS, self.words % WORDS);
        self.words += 1;
        let own = self.inner.next_u64();
        let scalar = draw.checked_sub(self.first).and_then(|index| self.scalars.get(index));
        scalar.map_or(own, |scalar| {
            let bytes = scalar.to_repr();
            bytes.as_ref().chunks_exact(8).nth(word).map_or(0, |b| u64::from_le_bytes(b.try_into().unwrap()))
        })
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.inner.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.inner.try_fill_bytes(dest)
    }
}

impl CryptoRng for Served<'_> {}

/// The random polynomial is `a + b X`, and the pieces of the quotient differ by `b_i X^n - b_(i-1)`: what is drawn for them is in their commitments.
#[test]
fn the_random_polynomial_and_the_pieces_are_blinded() {
    let fixture = secret();
    let prover = &fixture.prover;
    let (statement, phase0, instance) = execution(&fixture);
    let claim = Claim { statement, instance, linked: None };
    // Rows of all columns but omega, a scalar a column, the last rows of the product.
    let [zero, _, one] = Shape::Single.phases();
    let first = zero * (UNUSABLE_ROWS + 1) + (one - 1) * UNUSABLE_ROWS + one + UNUSABLE_ROWS - 1;
    let points = |scalars: &[u64]| {
        let scalars: Vec<Fr> = scalars.iter().map(|scalar| Fr::from(*scalar)).collect();
        let witness = PhaseOneInput { phase0: &phase0, lanes: &prover.lanes, instance: &claim.instance };
        let circuit = MachineCircuit::new(&prover.backend.program, Some(witness));
        let tail = [Secret(Fr::from(11)), Secret(Fr::from(12))];
        let rng = Served { inner: StdRng::seed_from_u64(3), first, scalars: &scalars, words: 0 };
        let proof = prover.backend.blinded(prover.registered(), circuit, &claim, &tail, rng, UNWATCHED).unwrap();
        assert!(fixture.verifies(&proof));
        let transcript = fixture.replayed(&proof);
        let point = |index: usize| G1::from(transcript.point_read(zero + one + 1 + index).unwrap());
        [0, 1, 2, 3, 4].map(point)
    };
    let powers = &prover.backend.powers;
    let (unit, top) = (G1::from(powers[0]), G1::from(powers[1 << prover.backend.program.k]));
    let [plain, blinded] = [points(&[5, 6, 0, 0, 0]), points(&[5, 6, 1, 2, 3])];
    assert_eq!(plain[0], unit * Fr::from(5) + G1::from(powers[1]) * Fr::from(6));
    assert_eq!(plain[0], blinded[0]);
    let [a, b, c] = [1, 2, 3].map(Fr::from);
    let added = [top * a, top * b - unit * a, top * c - unit * b, -(unit * c)];
    for (piece, added) in added.into_iter().enumerate() {
        assert_eq!(blinded[piece + 1], plain[piece + 1] + added, "piece {piece}");
    }
}

/// From one generator both provers commit to the same columns, up to the random polynomial, which halo2 draws elsewhere.
#[test]
fn the_same_commitments_as_halo2s_prover() {
    for fixture in [secret(), limbed(), searched(), batched()].into_iter().chain(random_fixtures(Shape::Single, 12)) {
        let prover = &fixture.prover;
        let (statement, phase0, instance) = execution(&fixture);
        let claim = Claim { statement, instance, linked: None };
        let witness = PhaseOneInput { phase0: &phase0, lanes: &prover.lanes, instance: &claim.instance };
        let circuit = MachineCircuit::new(&prover.backend.program, Some(witness));
        let tail = [Secret(Fr::from(11)), Secret(Fr::from(12))];
        let theirs = stock_proof(&fixture, circuit.clone(), &claim, &tail, 21);
        let rng = StdRng::seed_from_u64(21);
        let ours = prover.backend.blinded(prover.registered(), circuit, &claim, &tail, rng, UNWATCHED).unwrap();
        let points = prover.key.verifying.shape.advice() + 1;
        let theirs = theirs.finish();
        for point in 0..points {
            let range = point * 64..(point + 1) * 64;
            assert_eq!(ours.bytes[4..][range.clone()], theirs[range], "point {point}");
        }
        let range = points * 64..(points + 1) * 64;
        assert_ne!(ours.bytes[4..][range.clone()], theirs[range], "the random polynomials");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::Field;
    use halo2_proofs::halo2curves::bn256::Fr;
    use rand_core::OsRng;

    #[test]
    fn the_chosen_cells_are_drawn() {
        let tail = [Secret(Fr::random(OsRng)), Secret(-Fr::ONE)];
        let mut os = OsRng;
        let mut rng = OmegaTail::new(Shape::Single, &mut os, &tail);
        for _ in 0..Shape::Single.omega() * (UNUSABLE_ROWS + 1) {
            assert_ne!(Fr::random(&mut rng), Fr::ZERO);
        }
        let drawn: Vec<Fr> = (0..UNUSABLE_ROWS).map(|_| Fr::random(&mut rng)).collect();
        assert_eq!(drawn, [Fr::ZERO, Fr::ZERO, Fr::ZERO, Fr::ZERO, tail[0].0, tail[1].0]);
        assert_ne!(Fr::random(&mut rng), Fr::ZERO);
    }
}
