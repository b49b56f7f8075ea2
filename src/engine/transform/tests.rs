//! All ways of the transform against its definition, against `best_fft`, and against each other.

use super::Domain;
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::fft::best_fft;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn ways(k: u32) -> [Domain; 2] {
    [Domain::new(k), Domain::without_ifma(k)]
}

/// Values that stress carries and reductions, then random ones.
fn inputs(k: u32, rng: &mut StdRng) -> Vec<Vec<Fr>> {
    let n = 1 << k;
    let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2), -Fr::from(2), Fr::TWO_INV, Fr::from(u64::MAX)];
    let montgomery = Fr::from(2).pow_vartime([256]).invert().unwrap();
    // All equal; the largest and smallest representations; one alone; mixtures.
    let mut inputs: Vec<Vec<Fr>> = edges.iter().map(|edge| vec![*edge; n]).collect();
    inputs.extend([-montgomery, montgomery].map(|limbs| vec![limbs; n]));
    inputs.push((0..n).map(|i| if i + 1 == n { -montgomery } else { Fr::ZERO }).collect());
    inputs.push((0..n).map(|_| edges[rng.gen_range(0..edges.len())]).collect());
    inputs.push((0..n).map(|i| if i % 2 == 0 { -montgomery } else { Fr::ZERO }).collect());
    inputs.push((0..n).map(|_| Fr::random(&mut *rng)).collect());
    inputs
}

fn naive(a: &[Fr], shift: Fr, omega: Fr) -> Vec<Fr> {
    let horner = |x: Fr| a.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
    (0..a.len()).map(|i| horner(shift * omega.pow_vartime([i as u64]))).collect()
}

fn on_coset(domain: &Domain, a: &[Fr], shift: Fr) -> Vec<Fr> {
    let mut values = vec![Fr::ONE; a.len()];
    domain.evaluate_on_coset(a, &domain.coset(shift), &mut values);
    values
}

#[test]
fn by_definition() {
    let mut rng = StdRng::seed_from_u64(1);
    for k in 1..=8 {
        for domain in ways(k) {
            let omega = domain.omega();
            for a in inputs(k, &mut rng) {
                for shift in [Fr::ONE, Fr::MULTIPLICATIVE_GENERATOR, -Fr::ONE, Fr::ZERO] {
                    let expected = naive(&a, shift, omega);
                    assert_eq!(on_coset(&domain, &a, shift), expected, "k = {k}");
                }
                let mut b = a.clone();
                domain.evaluate(&mut b);
                assert_eq!(b, naive(&a, Fr::ONE, omega), "k = {k}");
                domain.interpolate(&mut b);
                assert_eq!(b, a, "k = {k}");
            }
        }
    }
}

#[test]
fn the_same_as_halo2curves() {
    let mut rng = StdRng::seed_from_u64(2);
    for k in 1..=17 {
        let ways = ways(k);
        for a in inputs(k, &mut rng) {
            let mut expected = a.clone();
            best_fft(&mut expected, Domain::generator(k), k);
            for domain in &ways {
                let mut b = a.clone();
                domain.evaluate(&mut b);
                assert!(b == expected, "k = {k}");
                domain.interpolate(&mut b);
                assert!(b == a, "k = {k}");
            }
        }
    }
}

/// The bounds of the passes are tight only at the largest sizes.
#[test]
#[ignore = "needs 4 GB and a minute"]
fn the_largest() {
    let mut rng = StdRng::seed_from_u64(3);
    for k in [22, 23, 24] {
        let mut a: Vec<Fr> = (0..1 << k).map(|_| Fr::random(&mut rng)).collect();
        let domain = Domain::new(k);
        for constant in [true, false] {
            if constant {
                // -p^-1 .. the largest limbs everywhere.
                a.fill(-Fr::from(2).pow_vartime([256]).invert().unwrap());
            } else {
                a.iter_mut().for_each(|a| *a = Fr::random(&mut rng));
            }
            let (mut expected, mut b) = (a.clone(), a.clone());
            best_fft(&mut expected, Domain::generator(k), k);
            domain.evaluate(&mut b);
            assert!(b == expected, "k = {k}");
            domain.interpolate(&mut b);
            assert!(b == a, "k = {k}");
        }
    }
}

#[test]
fn cosets_in_blocks() {
    let mut rng = StdRng::seed_from_u64(4);
    for k in 3..=13 {
        let shift = Fr::random(&mut rng);
        let mut power = Fr::ONE;
        let a: Vec<Fr> = (0..1 << k).map(|_| Fr::random(&mut rng)).collect();
        let mut expected: Vec<Fr> = Vec::new();
        for c in &a {
            expected.push(c * power);
            power *= shift;
        }
        best_fft(&mut expected, Domain::generator(k), k);
        for domain in ways(k) {
            assert!(on_coset(&domain, &a, shift) == expected, "k = {k}");
        }
    }
}

#[test]
fn four_cosets_are_one() {
    let domain = Domain::new(6);
    let large = Domain::new(8);
    let shifts = domain.cosets(4);
    for (j, shift) in shifts.iter().enumerate() {
        assert_eq!(*shift, Fr::MULTIPLICATIVE_GENERATOR * large.omega().pow_vartime([j as u64]));
    }
}
