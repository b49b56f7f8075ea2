//! The engine that says what engines compute: by definition, without any fast algorithm. An oracle for small programs.

use super::cpu::{permutation_values, usable_rows};
use super::quotient::QuotientChallenges;
use super::{COPY_COLUMNS, CircuitData, Domain, Engine, EngineError, PIECES, Shape, SrsPoints, Witness};
use ff::{Field, PrimeField};
use group::Group;
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use inferproof_circuits::machine::{Challenges, Machine, Parameters, UNUSABLE_ROWS};
use inferproof_circuits::secret::SecretColumn;
use std::sync::Arc;

/// Computes everything by its definition: `n^2` where others take `n log n`. The constraints are those of the constraint system itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceEngine;

/// What proofs of one program share.
#[derive(Debug)]
pub struct ReferenceKey {
    shape: Shape,
    domain: Domain,
    bases: Arc<[Vec<G1Affine>; 2]>,
    fixed: Vec<Vec<Fr>>,
    permutation: [[Vec<Fr>; COPY_COLUMNS]; 2],
    usable: Vec<Fr>,
}

/// Coefficients of the polynomial that has `values` on `shift omega^i`.
fn interpolate(omega: Fr, shift: Fr, values: &[Fr]) -> Vec<Fr> {
    let n = values.len();
    let inverse = |value: Fr| value.invert().expect("not 0");
    let (back, scale) = (inverse(omega), inverse(Fr::from(n as u64)));
    (0..n as u64).map(|i| horner(values, back.pow_vartime([i])) * scale * inverse(shift).pow_vartime([i])).collect()
}

fn horner(coefficients: &[Fr], point: Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |acc, c| acc * point + c)
}

fn msm(scalars: &[Fr], points: &[G1Affine]) -> G1 {
    scalars.iter().zip(points).fold(G1::identity(), |sum, (scalar, point)| sum + G1::from(*point) * scalar)
}

impl Engine for ReferenceEngine {
    type Bases = [Vec<G1Affine>; 2];
    type Key = ReferenceKey;
    type Vector = Vec<Fr>;

    fn bases(&self, points: SrsPoints<'_>) -> Result<Self::Bases, EngineError> {
        Ok([points.lagrange, points.powers].map(<[_]>::to_vec))
    }

    fn load(&self, bases: Arc<Self::Bases>, circuit: CircuitData) -> Result<ReferenceKey, EngineError> {
        let domain = Domain::new(circuit.k);
        let n = domain.n();
        let polynomial = |mut column: Vec<Fr>| {
            column.resize(n, Fr::ZERO);
            interpolate(domain.omega(), Fr::ONE, &column)
        };
        let permutation = permutation_values(&domain, &circuit.permutation);
        let coefficients = permutation.clone().map(polynomial);
        Ok(ReferenceKey {
            shape: circuit.shape,
            bases,
            fixed: circuit.fixed.into_iter().map(polynomial).collect(),
            permutation: [permutation, coefficients],
            usable: polynomial(usable_rows(n)),
            domain,
        })
    }

    fn fixed<'a>(&self, key: &'a ReferenceKey) -> Vec<&'a Vec<Fr>> {
        key.fixed.iter().collect()
    }

    fn permutation<'a>(&self, key: &'a ReferenceKey) -> [&'a Vec<Fr>; COPY_COLUMNS] {
        key.permutation[1].each_ref()
    }

    fn column(&self, _: &ReferenceKey, rows: SecretColumn) -> Result<Vec<Fr>, EngineError> {
        Ok(rows.to_vec())
    }

    fn commit_columns(&self, key: &ReferenceKey, columns: &[&Vec<Fr>]) -> Result<Vec<G1>, EngineError> {
        Ok(columns.iter().map(|column| msm(column, &key.bases[0])).collect())
    }

    fn commit(&self, key: &ReferenceKey, polynomials: &[&Vec<Fr>]) -> Result<Vec<G1>, EngineError> {
        Ok(polynomials.iter().map(|polynomial| msm(polynomial, &key.bases[1])).collect())
    }

    fn interpolate(&self, key: &ReferenceKey, columns: Vec<Vec<Fr>>) -> Result<Vec<Vec<Fr>>, EngineError> {
        Ok(columns.iter().map(|column| interpolate(key.domain.omega(), Fr::ONE, column)).collect())
    }

    fn copy_product(
        &self,
        key: &ReferenceKey,
        columns: [&Vec<Fr>; COPY_COLUMNS],
        beta: Fr,
        gamma: Fr,
        tail: &[Fr],
    ) -> Result<Vec<Fr>, EngineError> {
        let n = key.domain.n();
        let mut product = vec![Fr::ONE];
        for row in 0..n - tail.len() - 1 {
            let mut factor = product[row];
            for (j, values) in columns.iter().enumerate() {
                let x = key.domain.omega().pow_vartime([row as u64]);
                factor *= values[row] + beta * Fr::DELTA.pow_vartime([j as u64]) * x + gamma;
                let below = values[row] + beta * key.permutation[0][j][row] + gamma;
                factor *= Option::<Fr>::from(below.invert()).ok_or(EngineError::Pole)?;
            }
            product.push(factor);
        }
        product.extend_from_slice(tail);
        Ok(product)
    }

    fn quotient(
        &self,
        key: &ReferenceKey,
        witness: &Witness<Vec<Fr>>,
        challenges: &QuotientChallenges,
    ) -> Result<[Vec<Fr>; PIECES], EngineError> {
        let n = key.domain.n();
        // More points than the degree needs: what is no polynomial of that degree shows in the upper coefficients.
        let (large, shift) = (Domain::new(key.domain_k() + 3), Fr::MULTIPLICATIVE_GENERATOR.square());
        let constraints = constraints(key.shape);
        let values: Vec<Fr> = (0..large.n() as u64)
            .map(|i| {
                let x = shift * large.omega().pow_vartime([i]);
                let vanishing = x.pow_vartime([n as u64]) - Fr::ONE;
                key.numerator(&constraints, witness, challenges, x) * vanishing.invert().expect("outside the domain")
            })
            .collect();
        let quotient = interpolate(large.omega(), shift, &values);
        let (low, high) = quotient.split_at(PIECES * n);
        if high.iter().any(|c| *c != Fr::ZERO) {
            return Err(EngineError::Failed("the constraints do not hold on the rows".into()));
        }
        let mut pieces = low.chunks_exact(n).map(<[Fr]>::to_vec);
        Ok(std::array::from_fn(|_| pieces.next().expect("as many pieces")))
    }

    fn evaluate(&self, _: &ReferenceKey, queries: &[(&Vec<Fr>, Fr)]) -> Result<Vec<Fr>, EngineError> {
        Ok(queries.iter().map(|(polynomial, point)| horner(polynomial, *point)).collect())
    }

    fn combine(
        &self,
        key: &ReferenceKey,
        terms: &[(Fr, &Vec<Fr>)],
        linear: Fr,
        top: Fr,
    ) -> Result<Vec<Fr>, EngineError> {
        let n = key.domain.n();
        let own = |i: usize| match i {
            1 => linear,
            _ if i == n => top,
            _ => Fr::ZERO,
        };
        let at = |i: usize| terms.iter().filter_map(|(factor, p)| Some(*factor * p.get(i)?)).sum::<Fr>() + own(i);
        Ok((0..=n).map(at).collect())
    }

    fn divide(&self, _: &ReferenceKey, polynomial: &Vec<Fr>, root: Fr) -> Result<Vec<Fr>, EngineError> {
        let mut rest = polynomial.clone();
        let mut quotient = vec![Fr::ZERO; rest.len() - 1];
        for i in (0..quotient.len()).rev() {
            quotient[i] = rest[i + 1];
            let taken = rest[i + 1] * root;
            rest[i] += taken;
        }
        Ok(quotient)
    }
}

/// The machine's constraints in their order.
fn constraints(shape: Shape) -> Vec<Expression<Fr>> {
    let mut cs = ConstraintSystem::default();
    let _ = Machine::configure(&mut cs, Parameters::of(shape));
    cs.gates().iter().flat_map(|gate| gate.polynomials().to_vec()).collect()
}

impl ReferenceKey {
    fn domain_k(&self) -> u32 {
        self.domain.n().ilog2()
    }

    /// All constraints at a point, folded as halo2's verifier does it.
    fn numerator(
        &self,
        constraints: &[Expression<Fr>],
        witness: &Witness<Vec<Fr>>,
        challenges: &QuotientChallenges,
        x: Fr,
    ) -> Fr {
        let (n, omega) = (self.domain.n(), self.domain.omega());
        let at = |polynomial: &[Fr], rotation: i32| {
            let point = if rotation == 0 { x } else { x * omega };
            assert!((0..=1).contains(&rotation));
            horner(polynomial, point)
        };
        let QuotientChallenges { machine, beta, gamma, y } = *challenges;
        let Challenges { channel, position, alpha, beta: lookups } = machine;
        let evaluate = |constraint: &Expression<Fr>| {
            constraint.evaluate(
                &|constant| constant,
                &|_| unreachable!("no selectors"),
                &|query| at(&self.fixed[query.column_index()], query.rotation().0),
                &|query| at(&witness.advice[query.column_index()], query.rotation().0),
                &|query| at(&witness.instance, query.rotation().0),
                &|challenge| [channel, position, alpha, lookups][challenge.index()],
                &|a| -a,
                &|a, b| a + b,
                &|a, b| a * b,
                &|a, scale| a * scale,
            )
        };
        let lagrange = |row: usize| {
            let root = omega.pow_vartime([row as u64]);
            let scale = (Fr::from(n as u64) * (x - root)).invert().expect("outside the domain");
            (x.pow_vartime([n as u64]) - Fr::ONE) * root * scale
        };
        let [product, next] = [0, 1].map(|rotation| at(&witness.product, rotation));
        let (mut left, mut right) = (next, product);
        for (j, column) in self.shape.copied().into_iter().enumerate() {
            let value = at(&witness.advice[column], 0) + gamma;
            left *= value + beta * at(&self.permutation[1][j], 0);
            right *= value + beta * Fr::DELTA.pow_vartime([j as u64]) * x;
        }
        let copies = [
            lagrange(0) * (Fr::ONE - product),
            lagrange(n - UNUSABLE_ROWS) * (product.square() - product),
            at(&self.usable, 0) * (left - right),
        ];
        constraints.iter().map(evaluate).chain(copies).fold(Fr::ZERO, |sum, value| sum * y + value)
    }
}
