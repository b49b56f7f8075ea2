//! Operations on columns against their definition.
#![cfg(any(feature = "emulator", feature = "driver"))]

mod common;
mod guarded;

use ff::{Field, PrimeField};
use guarded::devices;
use halo2_proofs::halo2curves::bn256::Fr;
#[cfg(feature = "emulator")]
use inferproof_cuda::Emulator;
use inferproof_cuda::columns::{self, Copies};
use inferproof_cuda::{Buffer, Device, DeviceError};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;

/// Around the sizes of warps, blocks and tiles; the last has two levels.
const SIZES: [usize; 14] = [1, 2, 3, 31, 32, 33, 255, 256, 257, 1000, 1024, 1025, 2049, 4097];
/// Three levels.
const LARGE: usize = (1 << 20) + 5;

/// Calls `f` with each device and each size, and the last with a large one.
fn each_size(f: impl Fn(&Arc<dyn Device>, usize, &mut StdRng)) {
    let devices = devices();
    for device in &devices {
        for n in SIZES {
            f(device, n, &mut StdRng::seed_from_u64(n as u64));
        }
    }
    if let Some(device) = devices.last() {
        f(device, LARGE, &mut StdRng::seed_from_u64(0));
    }
}

fn random(n: usize, rng: &mut StdRng) -> Vec<Fr> {
    (0..n).map(|_| Fr::random(&mut *rng)).collect()
}

/// Random elements, and edges with them.
fn columns_of(n: usize, rng: &mut StdRng) -> Vec<Vec<Fr>> {
    let full = random(n, rng);
    if n > 5000 {
        return vec![full];
    }
    let mixed = (0..n).map(|i| [full[i], Fr::ONE, -Fr::ONE, Fr::ZERO][i * i % 11 % 4]).collect();
    vec![full, mixed, vec![Fr::ZERO; n], vec![Fr::ONE; n], vec![-Fr::ONE; n]]
}

fn horner(polynomial: &[Fr], x: Fr) -> Fr {
    polynomial.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c)
}

fn powers(z: Fr, n: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |power| Some(*power * z)).take(n).collect()
}

fn root(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

#[test]
fn points() {
    each_size(|device, n, rng| {
        let [first, ratio] = [(); 2].map(|()| Fr::random(&mut *rng));
        let expected: Vec<Fr> = powers(ratio, n).iter().map(|power| first * power).collect();
        assert_eq!(columns::powers(device, first, ratio, n).unwrap().to_vec().unwrap(), expected);
    });
    for device in devices() {
        assert!(columns::powers(&device, Fr::ONE, Fr::ONE, 0).unwrap().is_empty());
    }
}

#[test]
fn combinations() {
    for device in devices() {
        for n in [1, 2, 3, 32, 257, 1000] {
            let mut rng = StdRng::seed_from_u64(n as u64);
            let mut polynomials = columns_of(n + 1, &mut rng);
            polynomials.extend([random(n, &mut rng), random(n - 1, &mut rng), vec![]]);
            let [linear, top, z] = [(); 3].map(|()| Fr::random(&mut rng));
            let buffers: Vec<_> = polynomials.iter().map(|p| Buffer::from_slice(&device, p).unwrap()).collect();
            for count in [0, 1, polynomials.len()] {
                let factors: Vec<Fr> = powers(z, count);
                let mut expected = vec![Fr::ZERO; n + 1];
                for (factor, polynomial) in factors.iter().zip(&polynomials) {
                    expected.iter_mut().zip(polynomial).for_each(|(sum, c)| *sum += factor * c);
                }
                expected[1] += linear;
                expected[n] += top;
                let terms: Vec<_> = factors.iter().copied().zip(&buffers).collect();
                let sum = columns::combine(&device, n, &terms, linear, top).unwrap();
                assert_eq!(sum.to_vec().unwrap(), expected, "{n} and {count} terms");
            }
        }
    }
}

/// All sizes at once, and each point with each.
#[test]
fn values() {
    let devices = devices();
    for device in &devices {
        let mut rng = StdRng::seed_from_u64(7);
        let mut polynomials: Vec<Vec<Fr>> = SIZES.iter().flat_map(|n| columns_of(*n, &mut rng)).collect();
        polynomials.push(vec![]);
        let buffers: Vec<_> = polynomials.iter().map(|p| Buffer::from_slice(device, p).unwrap()).collect();
        for x in [Fr::random(&mut rng), Fr::ZERO, Fr::ONE, -Fr::ONE] {
            let queries: Vec<_> = buffers.iter().enumerate().map(|(i, p)| (p, x * powers(x, i + 1)[i])).collect();
            let expected: Vec<Fr> = polynomials.iter().zip(&queries).map(|(p, (_, x))| horner(p, *x)).collect();
            assert_eq!(columns::evaluate(&queries).unwrap(), expected);
        }
    }
    assert_eq!(columns::evaluate(&[]).unwrap(), []);
    let mut rng = StdRng::seed_from_u64(1);
    let (long, short, x) = (random(LARGE, &mut rng), random(3, &mut rng), Fr::random(&mut rng));
    let Some(device) = devices.last() else { return };
    let [a, b] = [&long, &short].map(|p| Buffer::from_slice(device, p).unwrap());
    assert_eq!(columns::evaluate(&[(&a, x), (&b, x)]).unwrap(), [horner(&long, x), horner(&short, x)]);
}

/// `(X - root) quotient + value = polynomial`, coefficient by coefficient.
#[test]
fn quotients() {
    each_size(|device, n, rng| {
        for polynomial in columns_of(n, rng) {
            let buffer = Buffer::from_slice(device, &polynomial).unwrap();
            for root in
                [Fr::random(&mut *rng), Fr::ZERO, Fr::ONE, -Fr::ONE].into_iter().take(if n > 5000 { 1 } else { 4 })
            {
                let quotient = columns::divide(&buffer, root).unwrap().to_vec().unwrap();
                assert_eq!(quotient.len(), n - 1);
                let at = |i: usize| quotient.get(i).copied().unwrap_or_default();
                assert_eq!(horner(&polynomial, root), polynomial[0] + root * at(0), "what remains");
                for (i, c) in polynomial.iter().enumerate().skip(1) {
                    assert_eq!(at(i - 1) - root * at(i), *c, "coefficient {i} of {n}");
                }
            }
        }
    });
}

/// Holds a scan to what `of` gives element by element, from `none` on.
fn runs(scan: impl Fn(&mut Buffer<Fr>) -> Result<(), DeviceError>, none: Fr, of: impl Fn(Fr, Fr) -> Fr) {
    each_size(|device, n, rng| {
        for column in columns_of(n, rng) {
            let mut buffer = Buffer::from_slice(device, &column).unwrap();
            scan(&mut buffer).unwrap();
            let mut all = none;
            for (i, (own, element)) in buffer.to_vec().unwrap().iter().zip(&column).enumerate() {
                assert_eq!(*own, all, "{i} of {n}");
                all = of(all, *element);
            }
        }
    });
    for device in devices() {
        scan(&mut Buffer::new(&device, 0).unwrap()).unwrap();
    }
}

#[test]
fn running_products() {
    runs(columns::prefix_product, Fr::ONE, |all, element| all * element);
}

#[test]
fn running_sums() {
    runs(columns::prefix_sum, Fr::ZERO, |all, element| all + element);
}

#[test]
fn inverses() {
    each_size(|device, n, rng| {
        let mut all = columns_of(n, rng);
        // The only zero is the last element, or the first.
        for place in [0, n - 1] {
            let mut column = all[0].clone();
            column[place] = Fr::ZERO;
            all.push(column);
        }
        for column in all {
            let mut buffer = Buffer::from_slice(device, &column).unwrap();
            columns::batch_invert(&mut buffer).unwrap();
            for (i, (inverse, element)) in buffer.to_vec().unwrap().iter().zip(&column).enumerate() {
                let expected = if *element == Fr::ZERO { Fr::ZERO } else { Fr::ONE };
                assert_eq!(inverse * element, expected, "{i} of {n}");
                assert_eq!(*inverse == Fr::ZERO, *element == Fr::ZERO);
            }
        }
    });
    for device in devices() {
        columns::batch_invert(&mut Buffer::new(&device, 0).unwrap()).unwrap();
    }
}

/// Columns, names, and challenges of a copy argument over `n` rows.
struct Copied {
    columns: [Vec<Fr>; 3],
    names: [Vec<Fr>; 3],
    omega: Fr,
    beta: Fr,
    gamma: Fr,
}

impl Copied {
    fn random(n: usize, rng: &mut StdRng) -> Self {
        let [columns, names] = [(); 2].map(|()| [(); 3].map(|()| random(n, rng)));
        let [omega, beta, gamma] = [(); 3].map(|()| Fr::random(&mut *rng));
        Self { columns, names, omega, beta, gamma }
    }

    /// The name of a cell.
    fn own(&self, column: usize, row: usize) -> Fr {
        Fr::DELTA.pow_vartime([column as u64]) * self.omega.pow_vartime([row as u64])
    }

    fn factor(&self, row: usize) -> Fr {
        let term = |j: usize, name: Fr| self.columns[j][row] + self.beta * name + self.gamma;
        let above: Fr = (0..3).map(|j| term(j, self.own(j, row))).product();
        let below: Fr = (0..3).map(|j| term(j, self.names[j][row])).product();
        above * below.invert().unwrap()
    }

    fn product(&self, device: &Arc<dyn Device>, tail: &[Fr]) -> Result<Option<Vec<Fr>>, DeviceError> {
        let upload = |columns: &[Vec<Fr>; 3]| -> Result<Vec<_>, _> {
            columns.iter().map(|column| Buffer::from_slice(device, column)).collect()
        };
        let (columns, names) = (upload(&self.columns)?, upload(&self.names)?);
        let [columns, names] = [&columns, &names].map(|buffers| std::array::from_fn(|j| &buffers[j]));
        let Self { omega, beta, gamma, .. } = *self;
        let copies = Copies { columns, names, omega, delta: Fr::DELTA, beta, gamma };
        columns::copy_product(&copies, tail)?.map(|product| product.to_vec()).transpose()
    }
}

#[test]
fn copies() {
    for device in devices() {
        for n in [6, 16, 33, 257, 1025, 2100] {
            let mut rng = StdRng::seed_from_u64(n as u64);
            let copied = Copied::random(n, &mut rng);
            let tail = random(5, &mut rng);
            let mut expected = vec![Fr::ONE];
            for row in 0..n - 6 {
                expected.push(expected[row] * copied.factor(row));
            }
            expected.extend(&tail);
            assert_eq!(copied.product(&device, &tail).unwrap().unwrap(), expected, "{n} rows");
        }
    }
    let empty = Copied::random(0, &mut StdRng::seed_from_u64(0));
    for device in devices() {
        assert_eq!(empty.product(&device, &[]).unwrap(), Some(vec![]));
    }
}

/// A factor of 0 above or below, on any row, is found.
#[test]
fn poles() {
    let n = 2100;
    let mut rng = StdRng::seed_from_u64(1);
    for device in devices() {
        for (column, row) in [(0, 0), (1, 1030), (2, 2099), (0, 2099), (1, 0)] {
            let mut copied = Copied::random(n, &mut rng);
            copied.columns[column][row] = -copied.gamma - copied.beta * copied.own(column, row);
            assert_eq!(copied.product(&device, &[Fr::ONE]).unwrap(), None, "above");
            let mut copied = Copied::random(n, &mut rng);
            copied.names[column][row] = -(copied.columns[column][row] + copied.gamma) * copied.beta.invert().unwrap();
            assert_eq!(copied.product(&device, &[Fr::ONE]).unwrap(), None, "below");
        }
    }
}

/// Any polynomial of degree below `4 n` is put together again.
#[test]
fn pieces() {
    for device in devices() {
        for k in [1, 5, 11, 12] {
            let (n, mut rng) = (1 << k, StdRng::seed_from_u64(6));
            let polynomial = random(4 * n, &mut rng);
            let shifts: [Fr; 4] =
                std::array::from_fn(|j| root(k + 2).pow_vartime([j as u64]) * Fr::MULTIPLICATIVE_GENERATOR);
            // Modulo X^n - shift^n, then from X to shift X.
            let mut cosets = shifts.map(|shift| {
                let step = shift.pow_vartime([n as u64]);
                let coefficient = |i: usize| (0..4).rev().fold(Fr::ZERO, |sum, l| sum * step + polynomial[l * n + i]);
                let scaled: Vec<Fr> =
                    powers(shift, n).iter().enumerate().map(|(i, power)| coefficient(i) * power).collect();
                Buffer::from_slice(&device, &scaled).unwrap()
            });
            columns::pieces(&mut cosets, &shifts).unwrap();
            for (piece, expected) in cosets.iter().zip(polynomial.chunks_exact(n)) {
                assert_eq!(piece.to_vec().unwrap(), expected, "k {k}");
            }
        }
    }
}

#[test]
fn lagrange_polynomials() {
    for device in devices() {
        for k in [1, 5, 11] {
            let n = 1usize << k;
            let (omega, shift) = (root(k), Fr::MULTIPLICATIVE_GENERATOR);
            let points = columns::powers(&device, shift, omega, n).unwrap();
            for row in [0, n - 1, n / 3] {
                let at = omega.pow_vartime([row as u64]);
                let values = columns::lagrange(&points, shift, at).unwrap().to_vec().unwrap();
                for (value, x) in values.iter().zip(points.to_vec().unwrap()) {
                    // prod_(j != row) (x - omega^j) / (omega^row - omega^j)
                    let others = powers(omega, n).into_iter().filter(|other| *other != at);
                    if k <= 5 {
                        let fraction = others.map(|other| (x - other) * (at - other).invert().unwrap());
                        assert_eq!(*value, fraction.product());
                    }
                    let vanishing = x.pow_vartime([n as u64]) - Fr::ONE;
                    assert_eq!(*value * Fr::from(n as u64) * (x - at), vanishing * at);
                }
            }
        }
    }
}

/// Whatever the limit, memory is given back.
#[cfg(feature = "emulator")]
#[test]
fn too_little_memory() {
    let copied = Copied::random(3000, &mut StdRng::seed_from_u64(0));
    let run = |device: &Arc<dyn Device>| -> Result<(), DeviceError> {
        let product = copied.product(device, &[])?.unwrap();
        let product = Buffer::from_slice(device, &product)?;
        let quotient = columns::divide(&product, Fr::from(5))?;
        columns::evaluate(&[(&quotient, Fr::from(7)), (&product, Fr::from(9))])?;
        columns::combine(device, 3000, &[(Fr::from(3), &quotient)], Fr::ONE, Fr::ONE).map(|_| ())
    };
    for limit in (0..).step_by(30_001) {
        let emulator = Arc::new(Emulator::with_memory(0, limit));
        let result = run(&(emulator.clone() as Arc<dyn Device>));
        assert_eq!(emulator.used(), 0);
        match result {
            Ok(()) => break,
            Err(error) => assert!(matches!(error, DeviceError::OutOfMemory { .. }), "{error}"),
        }
    }
}
