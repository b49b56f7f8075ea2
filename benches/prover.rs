//! The prover by kernel and by step, and beside halo2's own prover on the same circuits.
//!
//! `cargo bench --bench prover`: wall time by criterion. `cargo bench --bench prover -- versus MODEL.ifq..`: CPU-seconds of both provers, taken in
//! turns in one run, for quantised models (the digits networks if none is named).

use cpu_time::ProcessTime;
use criterion::{BatchSize, BenchmarkId, Criterion};
use ff::Field;
use group::Group;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1, G1Affine};
use halo2_proofs::plonk::{create_proof, keygen_pk2};
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::transcript::{Blake2bWrite, Challenge255, TranscriptWriterBuffer};
use inferproof::engine::{Bases, Domain};
use inferproof::keys::planned;
use inferproof::prove::{Source, Step};
use inferproof::{
    Model, OsRng, Prover, ProvingKey, QuantiseOptions, Samples, SetupOptions, Srs, import_file, quantise, setup,
};
use inferproof_circuits::interface::Interface;
use inferproof_circuits::layers::compile;
use inferproof_circuits::machine::{MachineCircuit, PhaseOneInput, Shape};
use inferproof_circuits::witness::{LaneRows, instance, phase_zero};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// Sizes of the kernels, by their logarithms.
const SIZES: [u32; 3] = [10, 12, 14];
/// Proofs of each prover and model; the median counts.
const REPEATS: usize = 5;

fn random(count: usize) -> Vec<Fr> {
    (0..count).map(|_| Fr::random(OsRng)).collect()
}

/// A column as a proof has many: small numbers, some of them negative, and the random rows at its end.
fn small(count: usize) -> Vec<Fr> {
    let value = |i: usize| Fr::from((i * 7919 % 256) as u64) * if i.is_multiple_of(3) { -Fr::ONE } else { Fr::ONE };
    (0..count - 6).map(value).chain(random(6)).collect()
}

fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernels");
    group.sample_size(10);
    for k in SIZES {
        let n = 1usize << k;
        let step = G1::random(OsRng);
        let mut points: Vec<G1Affine> = vec![];
        let mut point = step;
        for _ in 0..n {
            points.push(point.into());
            point += step;
        }
        let bases = Bases::new(&points);
        for (name, scalars) in [("msm full", random(n)), ("msm small", small(n))] {
            group.bench_with_input(BenchmarkId::new(name, n), &scalars, |b, s| b.iter(|| bases.msm_many(&[s])));
        }
        let (domain, values) = (Domain::new(k), random(n));
        group.bench_with_input(BenchmarkId::new("transform", n), &values, |b, values| {
            b.iter_batched_ref(|| values.clone(), |values| domain.evaluate(values), BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn digits(name: &str) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let graph = import_file(folder.join(format!("{name}.onnx"))).expect("a fixture");
    let samples = Samples::load(folder.join(format!("{name}_samples.npz")), graph.input_shape()).expect("a fixture");
    quantise(&graph, &samples, &QuantiseOptions::default()).expect("it fits").0
}

fn srs_for(model: &Model, options: &SetupOptions) -> (Srs, u32) {
    let k = planned(&model.architecture, options).expect("it fits").0.k;
    (Srs::development(k, OsRng).expect("a small size"), k)
}

fn steps(c: &mut Criterion) {
    for name in ["digits_mlp", "digits_cnn"] {
        let model = digits(name);
        let (srs, _) = srs_for(&model, &SetupOptions::default());
        let (key, _) = setup(&model, &srs, &SetupOptions::default(), OsRng).expect("it fits");
        let prover = Prover::new(key, &srs).expect("its own SRS");
        let input = vec![model.architecture.nodes[0].range.hi; model.architecture.nodes[0].len()];
        let mut group = c.benchmark_group(format!("{name} steps"));
        group.sample_size(10);
        let times = || {
            let marks = std::cell::RefCell::new(vec![]);
            let observer = |step: Step| {
                marks.borrow_mut().push((step, Instant::now()));
                ControlFlow::Continue(())
            };
            prover.prove_observed(Source::Values(&input), None, [0; 32], OsRng, &observer).expect("in the domain");
            let marks = marks.into_inner();
            let ends = marks[1..].iter().map(|(_, at)| *at).chain([Instant::now()]);
            marks.iter().zip(ends).map(|((step, start), end)| (*step, end - *start)).collect::<BTreeMap<_, _>>()
        };
        for step in times().into_keys() {
            group.bench_function(step.to_string(), |b| {
                b.iter_custom(|rounds| (0..rounds).map(|_| times()[&step]).sum::<Duration>());
            });
        }
        group.finish();
    }
}

/// Median CPU-seconds of our prover and of halo2's, with what each computes from the key before its proof. Of the shape that halo2's can prove.
fn versus(name: &str, model: &Model) {
    let options = SetupOptions { shape: Some(Shape::Single), ..SetupOptions::default() };
    let (srs, k) = srs_for(model, &options);
    let (key, costs) = setup(model, &srs, &options, OsRng).expect("it fits");
    let program = compile(&model.architecture, Interface::default(), costs[0].layout).expect("it fits");
    let node = &model.architecture.nodes[0];
    let input = vec![node.range.hi; node.len()];
    let params = srs.params(k).expect("large enough");
    let (mut ours, mut theirs) = (vec![], vec![]);
    let file = std::env::temp_dir().join(format!("inferproof-{}.key", std::process::id()));
    key.replace(&file).expect("a writable folder");
    let loading = |load: &dyn Fn()| {
        let mut times: Vec<Duration> = (0..REPEATS)
            .map(|_| {
                let start = Instant::now();
                load();
                start.elapsed()
            })
            .collect();
        times.sort();
        times[REPEATS / 2].as_secs_f64() * 1e3
    };
    let read = loading(&|| drop(black_box(ProvingKey::load(&file).expect("just written"))));
    let prepared = loading(&|| drop(black_box(Prover::new(key.clone(), &srs).expect("its own SRS"))));
    let _ = std::fs::remove_file(&file);
    let prover = Prover::new(key.clone(), &srs).expect("its own SRS");
    let proved = loading(&|| drop(black_box(prover.prove(&input, [0; 32], OsRng).expect("in the domain"))));
    println!(
        "{name}: wall ms of the key's file {read:.1}, of preparing a prover {prepared:.1}, of a proof {proved:.1}"
    );
    for _ in 0..REPEATS {
        let start = ProcessTime::now();
        let prover = Prover::new(key.clone(), &srs).expect("its own SRS");
        black_box(prover.prove(&input, [0; 32], OsRng).expect("in the domain"));
        ours.push(start.elapsed().as_secs_f64());
        let pk = keygen_pk2(&params, &MachineCircuit::new(&program, None), false).expect("it fits");
        let start = ProcessTime::now();
        let trace = prover.run(&input).expect("in the domain");
        let phase0 = phase_zero(&program, &model.architecture, &model.weights, &trace, None).expect("in its tables");
        let lanes = LaneRows::new(&program, &model.architecture, &model.weights);
        let words = instance(&program, &input, &trace.values[model.architecture.output]);
        let witness = PhaseOneInput { phase0: &phase0, lanes: &lanes, instance: &words };
        let mut transcript = Blake2bWrite::<_, G1Affine, Challenge255<_>>::init(vec![]);
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
            &params,
            &pk,
            &[MachineCircuit::new(&program, Some(witness))],
            &[&[&words]],
            OsRng,
            &mut transcript,
        )
        .expect("a witness");
        black_box(transcript.finalize());
        theirs.push(start.elapsed().as_secs_f64());
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[REPEATS / 2]
    };
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    println!(
        "{name}: k {k}, ours {ours:.3} CPU-s (key loading and verification included), halo2's {theirs:.3} CPU-s (without), ratio {:.2}",
        theirs / ours
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.first().is_some_and(|a| a == "versus") {
        for path in &arguments[1..] {
            versus(path, &Model::load(path).expect("a quantised model"));
        }
        if arguments.len() == 1 {
            ["digits_mlp", "digits_cnn"].iter().for_each(|name| versus(name, &digits(name)));
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    kernels(&mut criterion);
    steps(&mut criterion);
    criterion.final_summary();
}
