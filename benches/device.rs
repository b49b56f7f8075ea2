//! A CUDA device beside the processor: kernels, then whole proofs, in one run. `cargo bench --features cuda --bench device`.
//!
//! Wall times, medians; every result is compared with the processor's first, and proofs are verified. `cuda/device.sh` runs this after all tests.

use ff::Field;
use group::{Curve, Group};
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use inferproof::engine::{self, CudaEngine, Shape};
use inferproof::prove::Prover;
use inferproof::{
    Model, OsRng, ProvingKey, QuantiseOptions, Samples, SetupOptions, Srs, import_file, quantise, setup, verify,
};
use inferproof_cuda::{Bases, Buffer, Cuda, Device, Domain};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Runs of each measurement; the median counts.
const REPEATS: usize = 7;

fn median(mut run: impl FnMut()) -> f64 {
    run();
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[REPEATS / 2]
}

fn row(what: &str, size: &str, device: f64, processor: f64) {
    println!("| {what} | {size} | {device:.3} | {processor:.3} | {:.1} |", processor / device);
}

/// `i G` for each `i`, by additions.
fn points(n: usize) -> Vec<G1Affine> {
    let multiples: Vec<G1> =
        std::iter::successors(Some(G1::random(OsRng)), |point| Some(*point + G1::generator())).take(n).collect();
    let mut affine = vec![G1Affine::default(); n];
    G1::batch_normalize(&multiples, &mut affine);
    affine
}

fn sums(device: &Arc<dyn Device>, k: u32) {
    let n = 1usize << k;
    let points = points(n);
    let (ours, theirs) = (Bases::new(device, &points, None).expect("memory"), engine::Bases::new(&points));
    let full: Vec<Fr> = (0..n).map(|_| Fr::random(OsRng)).collect();
    let small: Vec<Fr> = (0..n as u64).map(|i| Fr::from(i * 0x9e37_79b9 % (1 << 16))).collect();
    let zeros: Vec<Fr> = (0..n).map(|i| if i + 6 < n { Fr::ZERO } else { Fr::random(OsRng) }).collect();
    for (name, scalars) in [("sum, full scalars", full), ("sum, 16 bits", small), ("sum, six scalars not 0", zeros)] {
        let column = Buffer::from_slice(device, &scalars).expect("memory");
        let expected = theirs.msm(&scalars);
        assert_eq!(ours.msm_many(&[&column]).expect("a sum")[0].to_affine(), expected.to_affine(), "{name}");
        let on_device = median(|| drop(ours.msm_many(&[&column])));
        row(name, &format!("2^{k}"), on_device, median(|| drop(theirs.msm_many(&[&scalars]))));
    }
}

fn transforms(device: &Arc<dyn Device>, k: u32, count: usize) {
    let host = engine::Domain::new(k);
    let domain = Domain::new(device, k, host.omega()).expect("memory");
    let mut values: Vec<Fr> = (0..1 << k).map(|_| Fr::random(OsRng)).collect();
    let mut columns: Vec<Buffer<Fr>> =
        (0..count).map(|_| Buffer::from_slice(device, &values).expect("memory")).collect();
    let run = |columns: &mut Vec<Buffer<Fr>>| {
        domain.evaluate(&mut columns.iter_mut().collect::<Vec<_>>()).expect("a transform");
        device.synchronise().expect("a device");
    };
    run(&mut columns);
    host.evaluate(&mut values);
    assert_eq!(columns[count - 1].to_vec().expect("a copy"), values);
    let on_device = median(|| run(&mut columns));
    let processor = median(|| host.evaluate(&mut values)) * count as f64;
    row(&format!("{count} transforms, the processor's one by one"), &format!("2^{k}"), on_device, processor);
}

fn copies(device: &Arc<dyn Device>, k: u32) {
    let values = vec![Fr::ONE; 1 << k];
    let mut buffer = Buffer::from_slice(device, &values).expect("memory");
    let up = median(|| {
        buffer.write(0, &values).expect("a copy");
        device.synchronise().expect("a device");
    });
    let down = median(|| drop(buffer.to_vec().expect("a copy")));
    println!("| copies, up and down | 2^{k} | {up:.3}, {down:.3} | | |");
}

fn model(name: &str) -> Model {
    // Where the program is run, not where it was built.
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| ".".into());
    let folder = Path::new(&root).join("fixtures");
    let graph = import_file(folder.join(format!("{name}.onnx"))).expect("a fixture");
    let samples = Samples::load(folder.join(format!("{name}_samples.npz")), graph.input_shape()).expect("a fixture");
    quantise(&graph, &samples, &QuantiseOptions::default()).expect("it fits").0
}

fn proofs(engine: &CudaEngine, srs: &Srs, name: &str, batch: usize, shape: Shape) {
    let model = model(name);
    let options = SetupOptions { batch, shape: Some(shape), ..SetupOptions::default() };
    let (key, costs) = setup(&model, srs, &options, OsRng).expect("it fits");
    let node = &model.architecture.nodes[0];
    let input = vec![node.range.hi; batch * node.len()];
    let verifying = key.verifying_key().clone();
    let copy = |key: &ProvingKey| key.clone();
    let device = Prover::with_engine(engine.clone(), copy(&key), srs).expect("a device");
    let processor = Prover::new(key, srs).expect("its SRS");
    let proof = device.prove(&input, [0; 32], OsRng).expect("a proof");
    verify(&verifying, &srs.verifier_part(), &proof).expect("it holds");
    let on_device = median(|| drop(device.prove(&input, [0; 32], OsRng)));
    let on_processor = median(|| drop(processor.prove(&input, [0; 32], OsRng)));
    row(
        &format!("proof, {name}, {batch} inputs, {}", shape.name()),
        &format!("2^{}", costs[0].k),
        on_device,
        on_processor,
    );
}

fn main() {
    let device: Arc<dyn Device> = match Cuda::open(0) {
        Ok(device) => Arc::new(device),
        Err(error) => return println!("nothing is measured: {error}"),
    };
    // `cargo bench -- --test` only sees that it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!("{}, and {threads} threads of the processor; milliseconds\n", device.name());
    println!("| what | size | device | processor | ratio |\n| --- | --- | --- | --- | --- |");
    let (sizes, largest): (&[u32], u32) = if quick { (&[10], 14) } else { (&[14, 17, 20], 19) };
    for &k in sizes {
        copies(&device, k);
        sums(&device, k);
        transforms(&device, k, 1);
        transforms(&device, k, 12);
    }
    let engine = CudaEngine::on(device);
    let srs = Srs::development(largest, OsRng).expect("a size");
    for shape in Shape::ALL {
        proofs(&engine, &srs, "digits_mlp", 1, shape);
        proofs(&engine, &srs, "digits_cnn", 1, shape);
        if !quick {
            proofs(&engine, &srs, "resnet8", 1, shape);
            proofs(&engine, &srs, "digits_cnn", 32, shape);
        }
    }
}
