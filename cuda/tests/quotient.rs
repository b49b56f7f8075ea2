//! The quotient's kernels against the expressions of the constraint system and the definition of the copy argument.
#![cfg(any(feature = "emulator", feature = "driver"))]

mod common;

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use inferproof_circuits::machine::{Challenges, Machine, Parameters, Shape};
use inferproof_cuda::{Buffer, Device, QuotientColumns, QuotientConstants, QuotientShape, quotient};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::array;
use std::sync::Arc;

fn of_kernels(shape: Shape) -> QuotientShape {
    match shape {
        Shape::Single => QuotientShape::Single,
        Shape::Paired => QuotientShape::Paired,
    }
}

/// Columns of any values; in the first half the opcodes and lane codes are some.
struct Case {
    shape: Shape,
    advice: Vec<Vec<Fr>>,
    instance: Vec<Fr>,
    fixed: Vec<Vec<Fr>>,
    permutation: [Vec<Fr>; 3],
    product: Vec<Fr>,
    usable: Vec<Fr>,
    points: Vec<Fr>,
    lagrange: [Vec<Fr>; 2],
    machine: Challenges<Fr>,
    constants: QuotientConstants,
}

impl Case {
    fn new(shape: Shape, n: usize, rng: &mut StdRng) -> Self {
        let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2), Fr::from(3)];
        let mut cell = |i: usize| if i.is_multiple_of(2) { Fr::random(&mut *rng) } else { edges[rng.gen_range(0..5)] };
        // Every column is random on some rows and at the edge on others, each two columns in all ways.
        let mut column = |index: usize| -> Vec<Fr> { (0..n).map(|row| cell(row >> (index % 4))).collect() };
        let advice = (0..shape.advice()).map(&mut column).collect();
        let mut fixed: Vec<Vec<Fr>> = (0..shape.fixed()).map(&mut column).collect();
        let [instance, product, usable, points] = array::from_fn(&mut column);
        let permutation = array::from_fn(&mut column);
        let lagrange = array::from_fn(&mut column);
        let codes = shape.fixed_names().iter().position(|name| *name == "opP").unwrap();
        for code in &mut fixed[codes..] {
            code[..n / 2].iter_mut().for_each(|cell| *cell = Fr::from(rng.gen_range(0..4)));
        }
        let mut random = || Fr::random(&mut *rng);
        let [channel, position, alpha, beta] = array::from_fn(|_| random());
        let copy_beta = random();
        let constants = QuotientConstants {
            channel,
            position,
            alpha,
            lookup_beta: beta,
            weights: constraints(shape).iter().map(|_| random()).collect(),
            beta: copy_beta,
            gamma: random(),
            names: array::from_fn(|j| copy_beta * Fr::DELTA.pow_vartime([j as u64])),
            copies: array::from_fn(|_| random()),
        };
        let machine = Challenges { channel, position, alpha, beta };
        Self { shape, advice, instance, fixed, permutation, product, usable, points, lagrange, machine, constants }
    }

    /// What the kernel gives with these weights.
    fn run_with(&self, device: &Arc<dyn Device>, weights: Vec<Fr>, copies: [Fr; 3]) -> Vec<Fr> {
        let buffer = |column: &Vec<Fr>| Buffer::from_slice(device, column).unwrap();
        let [advice, fixed] = [&self.advice, &self.fixed].map(|columns| columns.iter().map(buffer).collect::<Vec<_>>());
        let permutation = self.permutation.each_ref().map(buffer);
        let lagrange = self.lagrange.each_ref().map(buffer);
        let [instance, product, usable, points] =
            [&self.instance, &self.product, &self.usable, &self.points].map(buffer);
        let columns = QuotientColumns {
            advice: &advice.iter().collect::<Vec<_>>(),
            instance: &instance,
            fixed: &fixed.iter().collect::<Vec<_>>(),
            permutation: permutation.each_ref(),
            product: &product,
            usable: &usable,
            points: &points,
            lagrange: lagrange.each_ref(),
        };
        let mut out = Buffer::new(device, self.points.len()).unwrap();
        let constants = QuotientConstants { weights, copies, ..self.constants.clone() };
        quotient(of_kernels(self.shape), &columns, &constants, &mut out).unwrap();
        out.to_vec().unwrap()
    }

    fn by_expression(&self, constraint: &Expression<Fr>, row: usize) -> Fr {
        let at = |column: &[Fr], rotation: i32| column[(row + usize::try_from(rotation).unwrap()) % column.len()];
        let Challenges { channel, position, alpha, beta } = self.machine;
        constraint.evaluate(
            &|constant| constant,
            &|_| panic!("no selectors"),
            &|query| at(&self.fixed[query.column_index()], query.rotation().0),
            &|query| at(&self.advice[query.column_index()], query.rotation().0),
            &|query| at(&self.instance, query.rotation().0),
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
        let [product, next] = [row, row + 1].map(|row| self.product[row % self.product.len()]);
        let (mut left, mut right) = (next, product);
        for (j, column) in self.shape.copied().into_iter().enumerate() {
            let value = self.advice[column][row];
            left *= value + beta * self.permutation[j][row] + gamma;
            right *= value + beta * Fr::DELTA.pow_vartime([j as u64]) * self.points[row] + gamma;
        }
        let [first, last] = [0, 1].map(|end| self.lagrange[end][row]);
        [first * (Fr::ONE - product), last * (product * product - product), self.usable[row] * (left - right)]
    }
}

fn constraints(shape: Shape) -> Vec<Expression<Fr>> {
    let mut cs = ConstraintSystem::default();
    let _ = Machine::configure(&mut cs, Parameters::of(shape));
    cs.gates().iter().flat_map(|gate| gate.polynomials()).cloned().collect()
}

/// Tests of all shapes, on every device, at these sizes.
fn cases(seed: u64, sizes: &[usize], check: impl Fn(&Arc<dyn Device>, &Case, &mut StdRng)) {
    let mut rng = StdRng::seed_from_u64(seed);
    for device in &common::devices() {
        for (shape, n) in Shape::ALL.into_iter().flat_map(|shape| sizes.iter().map(move |n| (shape, *n))) {
            let case = Case::new(shape, n, &mut rng);
            check(device, &case, &mut rng);
        }
    }
}

#[test]
fn each_constraint_of_the_machine() {
    cases(8, &[16, 33, 256], |device, case, rng| {
        let constraints = constraints(case.shape);
        for (index, constraint) in constraints.iter().enumerate() {
            let mut weights = vec![Fr::ZERO; constraints.len()];
            let weight = Fr::random(&mut *rng);
            weights[index] = weight;
            for (row, value) in case.run_with(device, weights, [Fr::ZERO; 3]).into_iter().enumerate() {
                let expected = weight * case.by_expression(constraint, row);
                assert_eq!(value, expected, "{:?}, constraint {index}, row {row}", case.shape);
            }
        }
    });
}

#[test]
fn each_constraint_of_the_copy_argument() {
    cases(9, &[16, 33, 256], |device, case, rng| {
        for index in 0..3 {
            let weight = Fr::random(&mut *rng);
            let copies = array::from_fn(|i| if i == index { weight } else { Fr::ZERO });
            let values = case.run_with(device, vec![Fr::ZERO; case.constants.weights.len()], copies);
            for (row, value) in values.into_iter().enumerate() {
                let expected = weight * case.copies(row)[index];
                assert_eq!(value, expected, "{:?}, copy constraint {index}, row {row}", case.shape);
            }
        }
    });
}

#[test]
fn all_constraints_folded() {
    cases(10, &[1, 2, 16, 33, 256, 1000], |device, case, _| {
        let constraints = constraints(case.shape);
        let QuotientConstants { weights, copies, .. } = &case.constants;
        for (row, value) in case.run_with(device, weights.clone(), *copies).into_iter().enumerate() {
            let machine = constraints.iter().map(|constraint| case.by_expression(constraint, row));
            let terms = machine.zip(weights).chain(case.copies(row).into_iter().zip(copies));
            let expected = terms.map(|(value, weight)| value * weight).sum::<Fr>();
            assert_eq!(value, expected, "{:?}, row {row}", case.shape);
        }
    });
}

#[test]
fn columns_that_do_not_fit() {
    let constants = Case::new(Shape::Paired, 16, &mut StdRng::seed_from_u64(0)).constants;
    for device in &common::devices() {
        let [fit, long] = [16, 17].map(|n| Buffer::<Fr>::zeros(device, n).unwrap());
        let panics = |advice: usize, last: &Buffer<Fr>| {
            let columns = QuotientColumns {
                advice: &vec![&fit; advice],
                fixed: &[&fit; 10],
                instance: &fit,
                permutation: [&fit; 3],
                product: &fit,
                usable: &fit,
                points: &fit,
                lagrange: [&fit, last],
            };
            let mut out = Buffer::new(device, 16).unwrap();
            let run = || quotient(QuotientShape::Paired, &columns, &constants, &mut out).unwrap();
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err()
        };
        assert!(!panics(16, &fit));
        assert!(panics(16, &long));
        assert!(panics(12, &fit));
    }
}
