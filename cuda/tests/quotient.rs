//! The quotient kernel against the expressions of the constraint system and the definition of the copy argument.
#![cfg(any(feature = "emulator", feature = "driver"))]

mod common;

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use inferproof_circuits::machine::{Challenges, Machine, Shape};
use inferproof_cuda::{Buffer, Device, QuotientColumns, QuotientConstants, quotient};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::array;
use std::sync::Arc;

const ADVICE: usize = 12;
const FIXED: usize = 8;
const COPIED: [usize; 3] = [2, 9, 10];
const INSTANCE: usize = ADVICE + FIXED;
const PERMUTATION: usize = INSTANCE + 1;
const PRODUCT: usize = PERMUTATION + 3;
const USABLE: usize = PRODUCT + 1;
const POINTS: usize = USABLE + 1;
const LAGRANGE: usize = POINTS + 1;
const COLUMNS: usize = LAGRANGE + 2;

/// Columns of any values; in the first half the opcodes are some.
struct Case {
    columns: Vec<Vec<Fr>>,
    machine: Challenges<Fr>,
    constants: QuotientConstants,
}

impl Case {
    fn new(n: usize, rng: &mut StdRng) -> Self {
        let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2), Fr::from(3)];
        let mut cell = |i: usize| if i.is_multiple_of(2) { Fr::random(&mut *rng) } else { edges[rng.gen_range(0..5)] };
        // Every column is random on some rows and at the edge on others, each two columns in all ways.
        let mut columns: Vec<Vec<Fr>> =
            (0..COLUMNS).map(|column| (0..n).map(|row| cell(row >> (column % 4))).collect()).collect();
        for op in &mut columns[INSTANCE - 3..INSTANCE] {
            op[..n / 2].iter_mut().for_each(|cell| *cell = Fr::from(rng.gen_range(0..4)));
        }
        let mut random = || Fr::random(&mut *rng);
        let [channel, position, alpha, beta] = array::from_fn(|_| random());
        let copy_beta = random();
        let constants = QuotientConstants {
            channel,
            position,
            alpha,
            lookup_beta: beta,
            weights: array::from_fn(|_| random()),
            beta: copy_beta,
            gamma: random(),
            names: array::from_fn(|j| copy_beta * Fr::DELTA.pow_vartime([j as u64])),
            copies: array::from_fn(|_| random()),
        };
        Self { columns, machine: Challenges { channel, position, alpha, beta }, constants }
    }

    fn n(&self) -> usize {
        self.columns[0].len()
    }

    fn run(&self, device: &Arc<dyn Device>) -> Vec<Fr> {
        let buffers: Vec<Buffer<Fr>> = self.columns.iter().map(|c| Buffer::from_slice(device, c).unwrap()).collect();
        let columns = QuotientColumns {
            advice: array::from_fn(|i| &buffers[i]),
            fixed: array::from_fn(|i| &buffers[ADVICE + i]),
            instance: &buffers[INSTANCE],
            permutation: array::from_fn(|i| &buffers[PERMUTATION + i]),
            product: &buffers[PRODUCT],
            usable: &buffers[USABLE],
            points: &buffers[POINTS],
            lagrange: array::from_fn(|i| &buffers[LAGRANGE + i]),
        };
        let mut out = Buffer::new(device, self.n()).unwrap();
        quotient(&columns, &self.constants, &mut out).unwrap();
        out.to_vec().unwrap()
    }

    /// What the kernel gives with these weights and no others.
    fn run_with(&self, device: &Arc<dyn Device>, weights: [Fr; 12], copies: [Fr; 3]) -> Vec<Fr> {
        let constants = QuotientConstants { weights, copies, ..self.constants };
        Case { columns: self.columns.clone(), constants, ..*self }.run(device)
    }

    fn at(&self, column: usize, row: usize) -> Fr {
        self.columns[column][row % self.n()]
    }

    fn by_expression(&self, constraint: &Expression<Fr>, row: usize) -> Fr {
        let at = |column: usize, rotation: i32| self.at(column, row + usize::try_from(rotation).unwrap());
        let Challenges { channel, position, alpha, beta } = self.machine;
        constraint.evaluate(
            &|constant| constant,
            &|_| panic!("no selectors"),
            &|query| at(ADVICE + query.column_index(), query.rotation().0),
            &|query| at(query.column_index(), query.rotation().0),
            &|query| at(INSTANCE, query.rotation().0),
            &|challenge| [channel, position, alpha, beta][challenge.index()],
            &|a| -a,
            &|a, b| a + b,
            &|a, b| a * b,
            &|a, scale| a * scale,
        )
    }

    /// The constraints of the copy argument.
    fn copies(&self, row: usize) -> [Fr; 3] {
        let QuotientConstants { beta, gamma, .. } = self.constants;
        let [product, next] = [self.at(PRODUCT, row), self.at(PRODUCT, row + 1)];
        let (mut left, mut right) = (next, product);
        for (j, column) in COPIED.into_iter().enumerate() {
            let value = self.at(column, row);
            left *= value + beta * self.at(PERMUTATION + j, row) + gamma;
            right *= value + beta * Fr::DELTA.pow_vartime([j as u64]) * self.at(POINTS, row) + gamma;
        }
        [
            self.at(LAGRANGE, row) * (Fr::ONE - product),
            self.at(LAGRANGE + 1, row) * (product * product - product),
            self.at(USABLE, row) * (left - right),
        ]
    }
}

fn constraints() -> [Expression<Fr>; 12] {
    let mut cs = ConstraintSystem::default();
    let _ = Machine::configure(&mut cs, Shape::default());
    let constraints: Vec<_> = cs.gates().iter().flat_map(|gate| gate.polynomials()).cloned().collect();
    constraints.try_into().expect("12 constraints")
}

fn only<const N: usize>(index: usize, weight: Fr) -> [Fr; N] {
    array::from_fn(|i| if i == index { weight } else { Fr::ZERO })
}

#[test]
fn each_constraint_of_the_machine() {
    let constraints = constraints();
    let mut rng = StdRng::seed_from_u64(8);
    for device in &common::devices() {
        for n in [16, 33, 256] {
            let case = Case::new(n, &mut rng);
            for (index, constraint) in constraints.iter().enumerate() {
                let weight = Fr::random(&mut rng);
                let values = case.run_with(device, only(index, weight), [Fr::ZERO; 3]);
                for (row, value) in values.into_iter().enumerate() {
                    assert_eq!(value, weight * case.by_expression(constraint, row), "constraint {index}, row {row}");
                }
            }
        }
    }
}

#[test]
fn each_constraint_of_the_copy_argument() {
    let mut rng = StdRng::seed_from_u64(9);
    for device in &common::devices() {
        for n in [16, 33, 256] {
            let case = Case::new(n, &mut rng);
            for index in 0..3 {
                let weight = Fr::random(&mut rng);
                let values = case.run_with(device, [Fr::ZERO; 12], only(index, weight));
                for (row, value) in values.into_iter().enumerate() {
                    assert_eq!(value, weight * case.copies(row)[index], "copy constraint {index}, row {row}");
                }
            }
        }
    }
}

#[test]
fn all_constraints_folded() {
    let constraints = constraints();
    let mut rng = StdRng::seed_from_u64(10);
    for device in &common::devices() {
        for n in [1, 2, 16, 33, 256, 1000] {
            let case = Case::new(n, &mut rng);
            for (row, value) in case.run(device).into_iter().enumerate() {
                let machine = constraints.iter().map(|constraint| case.by_expression(constraint, row));
                let terms =
                    machine.zip(case.constants.weights).chain(case.copies(row).into_iter().zip(case.constants.copies));
                assert_eq!(value, terms.map(|(value, weight)| value * weight).sum::<Fr>(), "{n} rows, row {row}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "columns of one length")]
fn columns_of_two_lengths() {
    let Some(device) = common::devices().into_iter().next() else { panic!("columns of one length: nothing to test") };
    let [short, long] = [16, 17].map(|n| Buffer::<Fr>::zeros(&device, n).unwrap());
    let columns = QuotientColumns {
        advice: [&long; 12],
        fixed: [&long; 8],
        instance: &long,
        permutation: [&long; 3],
        product: &long,
        usable: &long,
        points: &long,
        lagrange: [&long, &short],
    };
    let constants = Case::new(16, &mut StdRng::seed_from_u64(0)).constants;
    let mut out = Buffer::new(&device, 17).unwrap();
    let _ = quotient(&columns, &constants, &mut out);
}
