//! Every method of the fast engine against its definition, at sizes and values where fast algorithms go wrong.

use super::*;
use ff::Field;
use group::Group;
use halo2_proofs::halo2curves::bn256::G1Affine;
use inferproof_circuits::machine::{Challenges, UNUSABLE_ROWS};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Points whose logarithms do not matter.
fn points(count: usize, rng: &mut StdRng) -> Vec<G1Affine> {
    let mut points: Vec<G1> = (0..count).map(|_| G1::random(&mut *rng)).collect();
    // Equal points, opposite points and the identity are points like others.
    if count > 4 {
        (points[1], points[2], points[3]) = (points[0], -points[0], G1::identity());
    }
    points.into_iter().map(Into::into).collect()
}

/// Columns of the kinds that proofs have, and the ends of the range.
fn columns(n: usize, rng: &mut StdRng) -> Vec<Vec<Fr>> {
    let mut random = || Fr::random(&mut *rng);
    let full: Vec<Fr> = (0..n).map(|_| random()).collect();
    let mut blinded = vec![Fr::ZERO; n];
    blinded.iter_mut().rev().take(6).for_each(|cell| *cell = random());
    let mut small: Vec<Fr> = (0..n as u64).map(|i| Fr::from(i * i % 251)).collect();
    let signed = small.iter().enumerate().map(|(i, v)| if i % 3 == 0 { -*v } else { *v }).collect();
    let mut half = full.clone();
    half[..n / 2].fill(Fr::ZERO);
    let mut single = vec![Fr::ZERO; n];
    single[n - 1] = Fr::ONE;
    let large = vec![Fr::from(u64::MAX); n];
    small[n - 1] = random();
    vec![full, blinded, small, signed, half, single, large, vec![Fr::ZERO; n], vec![Fr::ONE; n], vec![-Fr::ONE; n]]
}

fn keys(k: u32, rng: &mut StdRng) -> (CpuEngineKey, ReferenceKeyOf) {
    let n = 1usize << k;
    let (lagrange, powers) = (points(n, rng), points(n + 1, rng));
    let fixed: [Vec<Fr>; FIXED_COLUMNS] =
        std::array::from_fn(|i| (0..n - i.min(n)).map(|_| Fr::random(&mut *rng)).collect());
    // Cycles of many lengths.
    let mut permutation: Vec<u32> = (0..(COPY_COLUMNS * n) as u32).collect();
    for i in (1..permutation.len()).step_by(2) {
        let j = rng.gen_range(0..i);
        permutation.swap(i, j);
    }
    let data = || CircuitData {
        k,
        lagrange: &lagrange,
        powers: &powers,
        fixed: fixed.clone(),
        permutation: permutation.clone(),
    };
    (CpuEngine.load(data()).unwrap(), ReferenceEngine.load(data()).unwrap())
}

type CpuEngineKey = <CpuEngine as Engine>::Key;
type ReferenceKeyOf = <ReferenceEngine as Engine>::Key;

#[test]
fn every_method_is_its_definition() {
    for k in 3..=6 {
        let mut rng = StdRng::seed_from_u64(u64::from(k));
        let (cpu, reference) = keys(k, &mut rng);
        let n = 1usize << k;
        assert_eq!(CpuEngine.fixed(&cpu), ReferenceEngine.fixed(&reference));
        assert_eq!(CpuEngine.permutation(&cpu), ReferenceEngine.permutation(&reference));
        let columns = columns(n, &mut rng);
        let all: Vec<&Vec<Fr>> = columns.iter().collect();
        let commitments = ReferenceEngine.commit_columns(&reference, &all).unwrap();
        assert_eq!(CpuEngine.commit_columns(&cpu, &all).unwrap(), commitments);
        let commitments = ReferenceEngine.commit(&reference, &all).unwrap();
        assert_eq!(CpuEngine.commit(&cpu, &all).unwrap(), commitments);
        let polynomials = ReferenceEngine.interpolate(&reference, columns.clone()).unwrap();
        assert_eq!(CpuEngine.interpolate(&cpu, columns.clone()).unwrap(), polynomials);
        let [beta, gamma, x] = [(); 3].map(|()| Fr::random(&mut rng));
        let tail: Vec<Fr> = (1..UNUSABLE_ROWS).map(|_| Fr::random(&mut rng)).collect();
        for three in columns.windows(3) {
            let three = [&three[0], &three[1], &three[2]];
            let product = ReferenceEngine.copy_product(&reference, three, beta, gamma, &tail).unwrap();
            assert_eq!(CpuEngine.copy_product(&cpu, three, beta, gamma, &tail).unwrap(), product);
        }
        for point in [x, Fr::ZERO, Fr::ONE, -Fr::ONE] {
            let queries: Vec<_> = polynomials.iter().map(|p| (p, point)).collect();
            let values = ReferenceEngine.evaluate(&reference, &queries).unwrap();
            assert_eq!(CpuEngine.evaluate(&cpu, &queries).unwrap(), values);
            let terms: Vec<_> = polynomials.iter().map(|p| (point + beta, p)).collect();
            let sum = ReferenceEngine.combine(&reference, &terms, [gamma, beta], x).unwrap();
            assert_eq!(CpuEngine.combine(&cpu, &terms, [gamma, beta], x).unwrap(), sum);
            // A sum has a term more than its parts, and may be one.
            let again = ReferenceEngine.combine(&reference, &[(x, &polynomials[0])], [beta, gamma], x).unwrap();
            assert_eq!(CpuEngine.combine(&cpu, &[(x, &polynomials[0])], [beta, gamma], x).unwrap(), again);
            let quotient = ReferenceEngine.divide(&reference, sum.clone(), point).unwrap();
            assert_eq!(CpuEngine.divide(&cpu, sum.clone(), point).unwrap(), quotient);
            // (X - point) q + sum(point) = sum, at a point of its own.
            let at = |p: &Vec<Fr>, x| CpuEngine.evaluate(&cpu, &[(p, x)]).unwrap()[0];
            assert_eq!((gamma - point) * at(&quotient, gamma) + at(&sum, point), at(&sum, gamma));
        }
    }
}

#[test]
fn transforms_of_every_size() {
    let mut rng = StdRng::seed_from_u64(2);
    for k in 1..=11 {
        let domain = Domain::new(k);
        let n = domain.n();
        assert_eq!(domain.omega().pow_vartime([n as u64 / 2]), -Fr::ONE, "of order n");
        for column in columns(n.max(8), &mut rng) {
            let column = column[..n].to_vec();
            let mut values = column.clone();
            domain.evaluate(&mut values);
            for i in [0, 1, n / 2, n - 1] {
                let point = domain.omega().pow_vartime([i as u64]);
                assert_eq!(values[i], column.iter().rev().fold(Fr::ZERO, |sum, c| sum * point + c), "k {k}, row {i}");
            }
            domain.interpolate(&mut values);
            assert_eq!(values, column);
        }
    }
}

/// The quotient's coefficients are those of the numerator divided, whatever the witness is: where it violates the constraints, there is none.
#[test]
fn a_witness_that_violates_has_no_quotient() {
    let mut rng = StdRng::seed_from_u64(4);
    let (_, reference) = keys(4, &mut rng);
    let mut column = || (0..16).map(|_| Fr::random(&mut rng)).collect::<Vec<_>>();
    let witness = Witness { advice: (0..ADVICE).map(|_| column()).collect(), instance: column(), product: column() };
    let [channel, position, alpha, beta] = [2, 3, 5, 7].map(Fr::from);
    let machine = Challenges { channel, position, alpha, beta };
    let challenges = QuotientChallenges { machine, beta: Fr::from(11), gamma: Fr::from(13), y: Fr::from(17) };
    assert!(ReferenceEngine.quotient(&reference, &witness, &challenges).is_err());
}
