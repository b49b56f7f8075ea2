//! Field and curve arithmetic of the kernels against halo2curves, and memory and launches.
#![cfg(any(feature = "emulator", feature = "driver"))]

mod common;

use ff::{Field, PrimeField};
use group::Group;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1, G1Affine};
use inferproof_cuda::{Argument, Buffer, Device, DeviceError, Jacobian, Launch, Plain};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;

/// Runs a kernel that makes an element of each pair: `a` and `b` are what it takes, `O` is what it gives.
fn binary<T: Plain, O: Plain>(device: &Arc<dyn Device>, kernel: &'static str, a: &[T], b: &[T]) -> Vec<O> {
    assert_eq!(a.len(), b.len());
    let [a, b] = [a, b].map(|elements| Buffer::from_slice(device, elements).unwrap());
    let out = Buffer::<O>::new(device, a.len()).unwrap();
    let arguments = [out.argument(), a.argument(), b.argument(), Argument::U32(a.len() as u32)];
    // SAFETY: all three have as many elements as is said, of the types that the tests below give with each kernel.
    unsafe { device.launch(kernel, Launch::threads(a.len(), 128), &arguments) }.unwrap();
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

fn arithmetic<F: PrimeField + Plain>(device: &Arc<dyn Device>, names: [&'static str; 4]) {
    let mut rng = StdRng::seed_from_u64(1);
    let [a, b] = pairs::<F>(&mut rng);
    let expected = |f: fn(F, F) -> F| a.iter().zip(&b).map(|(a, b)| f(*a, *b)).collect::<Vec<F>>();
    let [add, sub, mul, inverse] = names;
    assert_eq!(binary::<F, F>(device, add, &a, &b), expected(|a, b| a + b));
    assert_eq!(binary::<F, F>(device, sub, &a, &b), expected(|a, b| a - b));
    assert_eq!(binary::<F, F>(device, mul, &a, &b), expected(|a, b| a * b));
    let few = &a[..500];
    let inverses: Vec<F> = few.iter().map(|a| a.invert().unwrap_or(F::ZERO)).collect();
    assert_eq!(binary::<F, F>(device, inverse, few, few), inverses);
}

#[test]
fn fields() {
    for device in &common::devices() {
        arithmetic::<Fr>(device, ["probe_fr_add", "probe_fr_sub", "probe_fr_mul", "probe_fr_inverse"]);
        arithmetic::<Fq>(device, ["probe_fq_add", "probe_fq_sub", "probe_fq_mul", "probe_fq_inverse"]);
    }
}

#[test]
fn points() {
    common::devices().iter().for_each(sums_of_points);
}

fn sums_of_points(device: &Arc<dyn Device>) {
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
        let sums: Vec<Jacobian> = binary(device, kernel, &affine(&a), &affine(&b));
        sums.into_iter().map(|sum| sum.to_point().expect("on the curve")).collect()
    };
    let expected = |f: fn(&G1, &G1) -> G1| a.iter().zip(&b).map(|(a, b)| f(a, b)).collect::<Vec<_>>();
    assert_eq!(sums("probe_curve_add_mixed"), expected(|a, b| a.double() + b));
    assert_eq!(sums("probe_curve_add"), expected(|a, b| a.double() + b.double()));
}

/// Shared memory, static and dynamic, and what threads of a warp tell each other.
#[test]
fn blocks() {
    for device in &common::devices() {
        let values: Vec<u32> = (0..1000_u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
        let input = Buffer::from_slice(device, &values).unwrap();
        let sums = Buffer::<u32>::new(device, 4).unwrap();
        let launch = Launch { grid: [4, 1, 1], block: 256, shared: 8 * 4 };
        let arguments = [sums.argument(), input.argument(), Argument::U32(1000)];
        // SAFETY: 1000 elements, a sum for each of four blocks, and four bytes of shared memory for each warp.
        unsafe { device.launch("probe_block_sum", launch, &arguments) }.unwrap();
        let expected: Vec<u32> =
            values.chunks(256).map(|block| block.iter().copied().fold(0, u32::wrapping_add)).collect();
        assert_eq!(sums.to_vec().unwrap(), expected);
        let out = Buffer::<u32>::new(device, 768).unwrap();
        let launch = Launch::threads(768, 256);
        // SAFETY: three blocks of 256, and no fewer elements.
        unsafe { device.launch("probe_block_reverse", launch, &[out.argument(), input.argument()]) }.unwrap();
        let expected: Vec<u32> = values[..768].chunks(256).flat_map(|block| block.iter().rev().copied()).collect();
        assert_eq!(out.to_vec().unwrap(), expected);
    }
}

/// Wrong launches are refused, and the device can be used afterwards.
#[test]
fn wrong_launches() {
    for device in &common::devices() {
        let launch = Launch::threads(1, 32);
        for (kernel, arguments) in [("no_such_kernel", &[][..]), ("probe_fr_add", &[Argument::U32(1)])] {
            // SAFETY: `launch` finds the name or the sizes of the arguments wrong, and nothing runs.
            let error = unsafe { device.launch(kernel, launch, arguments) };
            assert!(matches!(error, Err(DeviceError::Failed { what, .. }) if what == kernel));
        }
        let one = [Fr::ONE];
        assert_eq!(binary::<Fr, Fr>(device, "probe_fr_add", &one, &one), [Fr::from(2)]);
    }
}

/// Memory is zeros, copies and parts of copies, of sizes below and above what a device copies at a time.
#[test]
fn copies() {
    for device in &common::devices() {
        for count in [0, 1, 100, 5_000_000] {
            let values: Vec<u64> = (0..count as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
            let mut buffer = Buffer::<u64>::zeros(device, count + 7).unwrap();
            assert!(buffer.to_vec().unwrap().iter().all(|value| *value == 0));
            buffer.write(3, &values).unwrap();
            let mut other = Buffer::<u64>::zeros(device, count + 7).unwrap();
            other.copy_from(0, &buffer, count + 3).unwrap();
            drop(buffer);
            let read = other.to_vec().unwrap();
            assert!(read[..3].iter().chain(&read[count + 3..]).all(|value| *value == 0));
            assert_eq!(read[3..count + 3], values);
            assert_eq!(other.read(3 + count / 2, count - count / 2).unwrap(), values[count / 2..]);
        }
    }
}

/// Many small writes take effect in order, also when a kernel reads what was written before.
#[test]
fn order() {
    for device in &common::devices() {
        let mut left = Buffer::<Fr>::zeros(device, 1).unwrap();
        let right = Buffer::from_slice(device, &[Fr::ONE]).unwrap();
        let outs: Vec<Buffer<Fr>> = (0..100).map(|_| Buffer::new(device, 1).unwrap()).collect();
        for (i, out) in outs.iter().enumerate() {
            left.write(0, &[Fr::from(i as u64)]).unwrap();
            let arguments = [out.argument(), left.argument(), right.argument(), Argument::U32(1)];
            // SAFETY: all three have an element.
            unsafe { device.launch("probe_fr_add", Launch::threads(1, 32), &arguments) }.unwrap();
        }
        for (i, out) in outs.iter().enumerate() {
            assert_eq!(out.to_vec().unwrap(), [Fr::from(i as u64 + 1)]);
        }
    }
}

/// The emulator counts its memory and bounds it.
#[cfg(feature = "emulator")]
#[test]
fn emulated_memory() {
    let emulator = Arc::new(inferproof_cuda::Emulator::with_memory(0, 1000));
    let device: Arc<dyn Device> = emulator.clone();
    let buffer = Buffer::<Fr>::zeros(&device, 20).unwrap();
    assert_eq!(emulator.used(), 640);
    assert_eq!(Buffer::<Fr>::new(&device, 12).unwrap_err(), DeviceError::OutOfMemory { needed: 384 });
    assert_eq!(buffer.to_vec().unwrap(), [Fr::ZERO; 20]);
    drop(buffer);
    assert_eq!(emulator.used(), 0);
}
