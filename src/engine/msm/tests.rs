//! The sums against the definition, on edges and on every class of scalars.

use super::Bases;
use ff::Field;
use group::{Curve, Group};
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use halo2_proofs::halo2curves::msm::msm_best;
use rand_core::{OsRng, RngCore};

fn points(n: usize) -> Vec<G1Affine> {
    // Random multiples would be slow; a walk is as good for these tests.
    let step = G1::random(OsRng);
    let mut at = G1::random(OsRng);
    let walk: Vec<G1> = (0..n)
        .map(|_| {
            at = at.double() + step;
            at
        })
        .collect();
    let mut affine = vec![G1Affine::default(); n];
    G1::batch_normalize(&walk, &mut affine);
    affine
}

fn naive(scalars: &[Fr], points: &[G1Affine]) -> G1 {
    scalars.iter().zip(points).map(|(scalar, point)| *point * *scalar).sum()
}

fn check(scalars: &[Fr], points: &[G1Affine], what: &str) {
    let sum = Bases::new(points).msm(scalars);
    // An assert on the points would print them.
    assert!(sum == naive(scalars, points), "{what}, n = {}", scalars.len());
}

fn small(bits: u32) -> Fr {
    Fr::from(OsRng.next_u64() >> (64 - bits))
}

/// A column of a class, by name.
fn column(class: &str, n: usize) -> Vec<Fr> {
    let full = || Fr::random(OsRng);
    let sparse = |value: Fr| if OsRng.next_u32().is_multiple_of(4) { value } else { Fr::ZERO };
    let mut scalars: Vec<Fr> = (0..n)
        .map(|i| match class {
            "full" => full(),
            "small" => sparse(small(1 + (i as u32 * 7) % 24)),
            "negative" => sparse(-small(12)),
            "signed" => {
                if i % 2 == 0 {
                    small(10)
                } else {
                    -small(20)
                }
            }
            "bits" => small(1),
            "medium" => small(60),
            "mixed" => [full(), small(8), Fr::ZERO, -small(33), -Fr::ONE][i % 5],
            "half" => {
                if i < n / 2 {
                    full()
                } else {
                    Fr::ZERO
                }
            }
            "runs" => Fr::from((i / 50 % 3) as u64 * 1_000_003),
            "full runs" => Fr::from((i / 30) as u64 + 2).invert().unwrap(),
            "zero" => Fr::ZERO,
            "one" => Fr::ONE,
            "minus one" => -Fr::ONE,
            "half order" => -Fr::from(2).invert().unwrap(),
            "equal" => -Fr::from(3).invert().unwrap(),
            "powers" => Fr::from(2).pow([i as u64 % 254]),
            _ => unreachable!("{class}"),
        })
        .collect();
    if ["small", "negative"].contains(&class) {
        let blinded = n.saturating_sub(6);
        scalars[blinded..].fill_with(full);
    }
    scalars
}

const CLASSES: [&str; 16] = [
    "full",
    "small",
    "negative",
    "signed",
    "bits",
    "medium",
    "mixed",
    "half",
    "runs",
    "full runs",
    "zero",
    "one",
    "minus one",
    "half order",
    "equal",
    "powers",
];

#[test]
fn every_class_at_every_small_size() {
    let points = points(300);
    for class in CLASSES {
        for n in (0..10).chain([15, 16, 17, 31, 33, 64, 100, 300]) {
            check(&column(class, n), &points[..n], class);
        }
    }
}

#[test]
fn every_class_at_larger_sizes() {
    let points = points(20_000);
    let bases = Bases::new(&points);
    for class in CLASSES {
        for n in [1000, 4096, 20_000] {
            let scalars = column(class, n);
            assert!(bases.msm(&scalars) == msm_best(&scalars, &points[..n]), "{class}, n = {n}");
        }
    }
}

#[test]
fn odd_bases() {
    let p = points(2);
    let n = 600;
    type Base<'a> = Box<dyn Fn(usize) -> G1Affine + 'a>;
    let sets: [(&str, Base<'_>); 7] = [
        ("all equal", Box::new(|_| p[0])),
        ("all the identity", Box::new(|_| G1Affine::default())),
        ("point and inverse", Box::new(|i| if i % 2 == 0 { p[0] } else { -p[0] })),
        ("two points", Box::new(|i| p[i % 2])),
        ("some the identity", Box::new(|i| if i % 3 == 0 { G1Affine::default() } else { p[i % 2] })),
        ("multiples", Box::new(|i| (p[0] * Fr::from(i as u64)).to_affine())),
        ("signed multiples", Box::new(|i| (p[0] * (Fr::from(i as u64) - Fr::from(300))).to_affine())),
    ];
    for (name, base) in sets {
        let bases: Vec<G1Affine> = (0..n).map(base).collect();
        for class in CLASSES {
            for n in [1, 2, 3, 40, n] {
                check(&column(class, n), &bases[..n], &format!("{name}, {class}"));
            }
        }
    }
}

#[test]
fn images_of_each_other_as_bases() {
    // P, zeta P and zeta^2 P add up to the identity, and share y: the halves of scalars meet in one bucket.
    use ff::WithSmallOrderMulGroup as _;
    use group::prime::PrimeCurveAffine as _;
    let p = points(1)[0].to_curve();
    let bases: Vec<G1Affine> =
        (0..90).map(|i| (p * [Fr::ONE, Fr::ZETA, Fr::ZETA.square()][i % 3]).to_affine()).collect();
    for class in CLASSES {
        check(&column(class, 90), &bases, class);
    }
}

#[test]
fn many_columns_are_each_column() {
    let points = points(3000);
    let bases = Bases::new(&points);
    let lengths = [3000, 0, 1, 2999, 17];
    let columns: Vec<Vec<Fr>> = CLASSES.iter().enumerate().map(|(i, class)| column(class, lengths[i % 5])).collect();
    let views: Vec<&[Fr]> = columns.iter().map(Vec::as_slice).collect();
    let sums = bases.msm_many(&views);
    assert_eq!(sums.len(), columns.len());
    for (column, sum) in columns.iter().zip(&sums) {
        assert!(*sum == naive(column, &points[..column.len()]));
    }
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| bases.msm_many(&views)) == sums);
    }
    assert!(bases.msm_many(&[]).is_empty());
}

#[test]
#[should_panic(expected = "4 scalars for 3 bases")]
fn more_scalars_than_bases() {
    Bases::new(&points(3)).msm(&[Fr::ONE; 4]);
}
