//! Field and curve arithmetic of the kernels against halo2curves, in the emulator.
#![cfg(feature = "emulator")]

use ff::{Field, PrimeField};
use group::Group;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1, G1Affine};
use inferproof_cuda::{Argument, Buffer, Device, Emulator, Jacobian, Launch, Plain};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;

fn device() -> Arc<dyn Device> {
    Arc::new(Emulator::new(0))
}

fn binary<T: Plain, O: Plain>(kernel: &'static str, a: &[T], b: &[T]) -> Vec<O> {
    let device = device();
    let [a, b] = [a, b].map(|elements| Buffer::from_slice(&device, elements).unwrap());
    let out = Buffer::<O>::new(&device, a.len()).unwrap();
    let arguments = [out.argument(), a.argument(), b.argument(), Argument::U32(a.len() as u32)];
    device.launch(kernel, Launch::threads(a.len(), 128), &arguments).unwrap();
    out.to_vec().unwrap()
}

/// All pairs of edge values, then random ones.
fn pairs<F: PrimeField>(rng: &mut StdRng) -> [Vec<F>; 2] {
    let edges = [F::ZERO, F::ONE, -F::ONE, F::from(2), -F::from(2), F::from(u64::MAX), F::MULTIPLICATIVE_GENERATOR];
    let (mut a, mut b): (Vec<F>, Vec<F>) = edges.iter().flat_map(|a| edges.iter().map(move |b| (*a, *b))).unzip();
    for _ in 0..100_000 {
        a.push(F::random(&mut *rng));
        b.push(F::random(&mut *rng));
    }
    [a, b]
}

fn arithmetic<F: PrimeField + Plain>(names: [&'static str; 4]) {
    let mut rng = StdRng::seed_from_u64(1);
    let [a, b] = pairs::<F>(&mut rng);
    let expected = |f: fn(F, F) -> F| a.iter().zip(&b).map(|(a, b)| f(*a, *b)).collect::<Vec<F>>();
    let [add, sub, mul, inverse] = names;
    assert_eq!(binary::<F, F>(add, &a, &b), expected(|a, b| a + b));
    assert_eq!(binary::<F, F>(sub, &a, &b), expected(|a, b| a - b));
    assert_eq!(binary::<F, F>(mul, &a, &b), expected(|a, b| a * b));
    let few = &a[..500];
    let inverses: Vec<F> = few.iter().map(|a| a.invert().unwrap_or(F::ZERO)).collect();
    assert_eq!(binary::<F, F>(inverse, few, few), inverses);
}

#[test]
fn fields() {
    arithmetic::<Fr>(["probe_fr_add", "probe_fr_sub", "probe_fr_mul", "probe_fr_inverse"]);
    arithmetic::<Fq>(["probe_fq_add", "probe_fq_sub", "probe_fq_mul", "probe_fq_inverse"]);
}

#[test]
fn points() {
    let mut rng = StdRng::seed_from_u64(2);
    let random = G1::random(&mut rng);
    let few = [G1::identity(), random, -random, random.double(), -random.double(), random.double().double()];
    let (mut a, mut b): (Vec<G1>, Vec<G1>) = few.iter().flat_map(|a| few.iter().map(move |b| (*a, *b))).unzip();
    for _ in 0..200 {
        a.push(G1::random(&mut rng));
        b.push(G1::random(&mut rng));
    }
    let affine = |points: &[G1]| points.iter().map(G1Affine::from).collect::<Vec<_>>();
    let sums = |kernel| -> Vec<G1> {
        let sums: Vec<Jacobian> = binary(kernel, &affine(&a), &affine(&b));
        sums.into_iter().map(|sum| sum.to_point().expect("on the curve")).collect()
    };
    let expected = |f: fn(&G1, &G1) -> G1| a.iter().zip(&b).map(|(a, b)| f(a, b)).collect::<Vec<_>>();
    assert_eq!(sums("probe_curve_add_mixed"), expected(|a, b| a.double() + b));
    assert_eq!(sums("probe_curve_add"), expected(|a, b| a.double() + b.double()));
}

/// Memory is counted, bounded and given back; arguments are checked.
#[test]
fn errors() {
    use inferproof_cuda::DeviceError;
    let emulator = Arc::new(Emulator::with_memory(0, 1000));
    let device: Arc<dyn Device> = emulator.clone();
    let buffer = Buffer::<Fr>::zeros(&device, 20).unwrap();
    assert_eq!(emulator.used(), 640);
    assert_eq!(Buffer::<Fr>::new(&device, 12).unwrap_err(), DeviceError::OutOfMemory { needed: 384 });
    assert_eq!(buffer.to_vec().unwrap(), [Fr::ZERO; 20]);
    drop(buffer);
    assert_eq!(emulator.used(), 0);
    let launch = Launch::threads(1, 32);
    for (kernel, arguments) in [("no_such_kernel", &[][..]), ("probe_fr_add", &[Argument::U32(1)])] {
        assert!(
            matches!(device.launch(kernel, launch, arguments), Err(DeviceError::Failed { what, .. }) if what == kernel)
        );
    }
}
