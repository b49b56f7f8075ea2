//! Why two fresh rows: with one, proofs give the weights away. The attack, mounted; with two rows it finds nothing.
//!
//! Spec: `docs/spec/commitment.md`. A verifier sees `C' = C + sum_i delta_i [L_i]` and `p'(x) = p(x) + sum_i delta_i L_i(x)`. With one
//! row `p'(x) [L] - L(x) (C' - C) = p(x) [L]`: enough proofs interpolate every weight in the exponent, and small
//! integers are found by trial.

use ff::{Field, PrimeField};
use group::Group;
use halo2_proofs::halo2curves::bn256::{Fr, G1};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const N: usize = 16;
const LIMIT: i64 = 20;

fn root() -> Fr {
    (4..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

/// `L_i(x)` over the `N`-th roots of unity.
fn lagrange(i: usize, x: Fr) -> Fr {
    let w = root().pow_vartime([i as u64]);
    (x.pow_vartime([N as u64]) - Fr::ONE) * w * (Fr::from(N as u64) * (x - w)).invert().unwrap()
}

fn small(value: i64) -> Fr {
    inferproof_circuits::integer::to_field(value)
}

/// The weights that an observer of `N` proofs finds, where any.
fn recovered(rows: usize, rng: &mut StdRng) -> (Vec<i64>, Vec<Option<i64>>) {
    let tau = Fr::random(&mut *rng);
    let weights: Vec<i64> = (0..N - 2).map(|_| rng.gen_range(-LIMIT..=LIMIT)).collect();
    let mut registered: Vec<Fr> = weights.iter().map(|w| small(*w)).collect();
    registered.resize(N, Fr::ZERO);
    registered[N - rows..].fill_with(|| Fr::random(&mut *rng));
    let evaluate = |column: &[Fr], x: Fr| column.iter().enumerate().map(|(i, v)| *v * lagrange(i, x)).sum::<Fr>();
    let commit = |column: &[Fr]| G1::generator() * evaluate(column, tau);
    let base = G1::generator() * lagrange(N - 1, tau);
    // What each proof shows, and what the observer makes of it.
    let observed: Vec<(Fr, G1)> = (0..N)
        .map(|_| {
            let mut fresh = registered.clone();
            fresh[N - rows..].fill_with(|| Fr::random(&mut *rng));
            let x = Fr::random(&mut *rng);
            let difference = commit(&fresh) - commit(&registered);
            (x, base * evaluate(&fresh, x) - difference * lagrange(N - 1, x))
        })
        .collect();
    let interpolate = |at: Fr| {
        observed.iter().enumerate().fold(G1::identity(), |sum, (j, (x, point))| {
            let others = observed.iter().enumerate().filter(|(k, _)| *k != j);
            let (top, bottom) =
                others.fold((Fr::ONE, Fr::ONE), |(t, b), (_, (other, _))| (t * (at - other), b * (*x - other)));
            sum + *point * (top * bottom.invert().unwrap())
        })
    };
    let guess = |i: usize| {
        let point = interpolate(root().pow_vartime([i as u64]));
        (-LIMIT..=LIMIT).find(|w| base * small(*w) == point)
    };
    let found = (0..weights.len()).map(guess).collect();
    (weights, found)
}

#[test]
fn one_row_is_a_full_break() {
    let (weights, found) = recovered(1, &mut StdRng::seed_from_u64(1));
    assert_eq!(found, weights.into_iter().map(Some).collect::<Vec<_>>());
}

#[test]
fn two_rows_are_none() {
    let (_, found) = recovered(2, &mut StdRng::seed_from_u64(2));
    assert!(found.iter().all(Option::is_none));
}
