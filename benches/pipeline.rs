//! Each stage on the digits networks: import, quantise, compile, set up, load, prove, verify.
//!
//! `cargo bench --bench pipeline`; wall time on all cores. CPU-seconds and the peer beside us: `benches/peer/`.

use criterion::{Criterion, criterion_group, criterion_main};
use inferproof::{
    OsRng, Prover, QuantiseOptions, Samples, SetupOptions, Srs, import_file, load_tensor, quantise, setup, verify,
};
use inferproof_circuits::interface::Interface;
use inferproof_circuits::layers::compile;
use inferproof_circuits::program::Layout;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn network(c: &mut Criterion, name: &str, k: u32) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    let path = fixture(&format!("{name}.onnx"));
    group.bench_function("import", |b| b.iter(|| import_file(&path).expect("a fixture")));
    let graph = import_file(&path).expect("a fixture");
    let samples = Samples::load(fixture(&format!("{name}_samples.npz")), graph.input_shape()).expect("a fixture");
    let options = QuantiseOptions::default();
    group.bench_function("quantise", |b| b.iter(|| quantise(&graph, &samples, &options).expect("it fits")));
    let (model, _) = quantise(&graph, &samples, &options).expect("it fits");
    group.bench_function("compile", |b| {
        b.iter(|| compile(&model.architecture, Interface::default(), Layout::direct(64)).expect("it fits"))
    });
    let srs = Srs::development(k, OsRng).expect("a small size");
    let set_up = || setup(&model, &srs, &SetupOptions::default(), OsRng).expect("it fits").0;
    group.bench_function("setup", |b| b.iter(set_up));
    let key = set_up();
    let verifying = key.verifying_key().clone();
    group.bench_function("load", |b| b.iter(|| Prover::new(key.clone(), &srs).expect("its own SRS")));
    let prover = Prover::new(key.clone(), &srs).expect("its own SRS");
    let input = load_tensor(fixture(&format!("{name}_input.npy")), model.input_shape()).expect("a fixture");
    let input = model.quantise_input(&input).expect("the model's shape");
    group.bench_function("prove", |b| b.iter(|| prover.prove(&input, [0; 32], OsRng).expect("in the domain")));
    let proof = prover.prove(&input, [0; 32], OsRng).expect("in the domain");
    let part = srs.verifier_part();
    group.bench_function("verify", |b| b.iter(|| verify(&verifying, &part, &proof).expect("it holds")));
    group.finish();
}

fn benches(c: &mut Criterion) {
    network(c, "digits_mlp", 12);
    network(c, "digits_cnn", 14);
}

criterion_group!(pipeline, benches);
criterion_main!(pipeline);
