//! Transforms against their definition.
#![cfg(any(feature = "emulator", feature = "driver"))]

mod common;
mod guarded;

use ff::{BatchInvert, Field, PrimeField};
use guarded::devices;
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_cuda::{Buffer, Device, Domain, Passes};
#[cfg(feature = "emulator")]
use inferproof_cuda::{DeviceError, Emulator};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;

/// halo2's root of unity of order `2^k`.
fn root(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

fn powers(z: Fr, n: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |power| Some(*power * z)).take(n).collect()
}

fn random(n: usize, rng: &mut StdRng) -> Vec<Fr> {
    (0..n).map(|_| Fr::random(&mut *rng)).collect()
}

/// Random elements, and the ends of the range.
fn columns(n: usize, rng: &mut StdRng) -> Vec<Vec<Fr>> {
    let full = random(n, rng);
    let equal = vec![full[0]; n];
    let mut single = vec![Fr::ZERO; n];
    single[n - 1] = -Fr::ONE;
    let mixed = (0..n).map(|i| [Fr::ZERO, Fr::ONE, -Fr::ONE, full[i]][i * i % 7 % 4]).collect();
    vec![full, equal, single, mixed, vec![Fr::ZERO; n], vec![Fr::ONE; n], vec![-Fr::ONE; n]]
}

/// Whether `values[i] = sum_j coefficients[j] (shift omega^i)^j` for all `i`, by the definition.
fn naive(coefficients: &[Fr], values: &[Fr], shift: Fr) -> bool {
    let points = powers(root(values.len().ilog2()), values.len());
    let horner = |x: Fr| coefficients.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
    points.iter().zip(values).all(|(point, value)| horner(shift * point) == *value)
}

/// The same by one random combination of all `i`, with `sum_i c^i omega^(i j) = (c^n - 1) / (c omega^j - 1)`.
fn combined(coefficients: &[Fr], values: &[Fr], shift: Fr, c: Fr) -> bool {
    let n = values.len();
    let mut weights: Vec<Fr> = powers(root(n.ilog2()), n).iter().map(|point| c * point - Fr::ONE).collect();
    weights.batch_invert();
    let vanishing = c.pow_vartime([n as u64]) - Fr::ONE;
    let scaled = coefficients.iter().zip(powers(shift, n)).zip(weights).map(|((a, power), weight)| *a * power * weight);
    scaled.sum::<Fr>() * vanishing == values.iter().rev().fold(Fr::ZERO, |sum, value| sum * c + value)
}

fn check(coefficients: &[Fr], values: &[Fr], shift: Fr, rng: &mut StdRng) {
    assert!(combined(coefficients, values, shift, Fr::random(&mut *rng)), "2^{} values", values.len().ilog2());
    if values.len() <= 64 {
        assert!(naive(coefficients, values, shift));
    }
}

/// One, two and three passes, at every size that has them; blocks of one transform and of several; launches of one column and of several.
fn ways(k: u32) -> Vec<Passes> {
    let mut ways = vec![Passes::default()];
    for count in 2..=3 {
        let stages = k.div_ceil(count);
        ways.extend([0, 1, 3].map(|wide| Passes { stages, tile: stages + wide, elements: 3 << k }));
    }
    ways
}

fn upload(device: &Arc<dyn Device>, columns: &[Vec<Fr>]) -> Vec<Buffer<Fr>> {
    columns.iter().map(|column| Buffer::from_slice(device, column).unwrap()).collect()
}

fn download(columns: &[Buffer<Fr>]) -> Vec<Vec<Fr>> {
    columns.iter().map(|column| column.to_vec().unwrap()).collect()
}

fn all_transforms(device: &Arc<dyn Device>, k: u32, passes: Passes) {
    let mut rng = StdRng::seed_from_u64(k.into());
    let domain = Domain::with_passes(device, k, root(k), passes).unwrap();
    let n = domain.n();
    let columns = columns(n, &mut rng);
    let mut buffers = upload(device, &columns);
    domain.evaluate(&mut buffers.iter_mut().collect::<Vec<_>>()).unwrap();
    for (column, values) in columns.iter().zip(download(&buffers)) {
        check(column, &values, Fr::ONE, &mut rng);
    }
    domain.interpolate(&mut buffers.iter_mut().collect::<Vec<_>>()).unwrap();
    assert_eq!(download(&buffers), columns, "there and back");
    domain.interpolate(&mut buffers.iter_mut().collect::<Vec<_>>()).unwrap();
    for (column, coefficients) in columns.iter().zip(download(&buffers)) {
        check(&coefficients, column, Fr::ONE, &mut rng);
    }

    // Polynomials of n coefficients, n - 1, and none.
    let shift = Fr::random(&mut rng);
    let mut polynomials = columns.clone();
    polynomials.iter_mut().skip(1).for_each(|polynomial| polynomial.truncate(n - 1));
    polynomials.push(vec![]);
    let buffers = upload(device, &polynomials);
    let mut values: Vec<_> = buffers.iter().map(|_| Buffer::new(device, n).unwrap()).collect();
    let mut out: Vec<_> = values.iter_mut().collect();
    let coset = domain.coset(shift).unwrap();
    domain.evaluate_on_coset(&buffers.iter().collect::<Vec<_>>(), &coset, &mut out).unwrap();
    assert_eq!(download(&buffers), polynomials, "they stay");
    for (polynomial, values) in polynomials.iter().zip(download(&values)) {
        check(polynomial, &values, shift, &mut rng);
    }
}

#[test]
fn transforms_are_their_definition() {
    let devices = devices();
    for k in 1..=13 {
        for passes in ways(k) {
            // Larger ones in orders at random only.
            for device in devices.iter().skip(if k <= 9 { 0 } else { 2 }) {
                all_transforms(device, k, passes);
            }
        }
    }
    // 128 KiB of shared memory: more than some devices have.
    for device in devices.iter().filter(|device| device.name() == "emulator") {
        all_transforms(device, 13, Passes { stages: 7, tile: 12, elements: 0 });
    }
}

/// Passes as they are in large proofs: two of ten stages, and three.
#[test]
fn large_transforms() {
    let Some(device) = devices().pop() else { return };
    for k in [20, 21] {
        let domain = Domain::new(&device, k, root(k)).unwrap();
        let mut rng = StdRng::seed_from_u64(k.into());
        let column = random(domain.n(), &mut rng);
        let mut buffer = Buffer::from_slice(&device, &column).unwrap();
        domain.evaluate(&mut [&mut buffer]).unwrap();
        check(&column, &buffer.to_vec().unwrap(), Fr::ONE, &mut rng);
        domain.interpolate(&mut [&mut buffer]).unwrap();
        assert_eq!(buffer.to_vec().unwrap(), column);
    }
}

#[test]
fn cosets_of_the_engine() {
    let Some(device) = devices().pop() else { return };
    let k = 8;
    let domain = Domain::new(&device, k, root(k)).unwrap();
    let mut rng = StdRng::seed_from_u64(3);
    let polynomial = random(domain.n(), &mut rng);
    let buffer = Buffer::from_slice(&device, &polynomial).unwrap();
    for j in 0..4 {
        let shift = root(k + 2).pow_vartime([j]) * Fr::MULTIPLICATIVE_GENERATOR;
        let mut values = Buffer::new(&device, domain.n()).unwrap();
        let coset = domain.coset(shift).unwrap();
        domain.evaluate_on_coset(&[&buffer], &coset, &mut [&mut values]).unwrap();
        assert!(naive(&polynomial, &values.to_vec().unwrap(), shift));
    }
}

#[test]
fn nothing_to_transform() {
    let Some(device) = devices().pop() else { return };
    let domain = Domain::new(&device, 12, root(12)).unwrap();
    domain.evaluate(&mut []).unwrap();
    domain.interpolate(&mut []).unwrap();
    domain.evaluate_on_coset(&[], &domain.coset(Fr::ONE).unwrap(), &mut []).unwrap();
}

/// Whatever the limit, memory is given back.
#[cfg(feature = "emulator")]
#[test]
fn too_little_memory() {
    let k = 11;
    let mut done = false;
    for limit in (0..).step_by(20_000) {
        let emulator = Arc::new(Emulator::with_memory(0, limit));
        let device: Arc<dyn Device> = emulator.clone();
        let transform = || {
            let domain = Domain::new(&device, k, root(k))?;
            domain.evaluate(&mut [&mut Buffer::zeros(&device, 1 << k)?])
        };
        let result = transform();
        assert_eq!(emulator.used(), 0);
        match result {
            Ok(()) => done = true,
            Err(error) => assert!(matches!(error, DeviceError::OutOfMemory { .. }), "{error}"),
        }
        if done {
            break;
        }
    }
}

#[cfg(feature = "emulator")]
#[test]
#[should_panic(expected = "of order 2^5")]
fn a_root_of_another_order() {
    let _ = Domain::new(&devices()[0], 5, root(4));
}

#[cfg(feature = "emulator")]
#[test]
#[should_panic(expected = "a column of the domain's size")]
fn a_column_of_another_size() {
    let device = devices().remove(0);
    let domain = Domain::new(&device, 5, root(5)).unwrap();
    let _ = domain.evaluate(&mut [&mut Buffer::zeros(&device, 31).unwrap()]);
}
