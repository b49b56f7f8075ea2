//! The semantics once more, written as in `docs/spec/network.md` and with nothing of the executor: every sum in `i128`,
//! every index by hand. It must agree with the executor on random networks and on every fixture.

use super::*;
use inferproof_circuits::{
    integer::{Activation, Function, Interval},
    network::{
        Architecture, LayerWeights, Node as IntegerNode, Op as IntegerOp, Term, Weights, affine_quotients, execute,
        published_interval,
    },
};
use std::collections::BTreeMap;

type Tensor = Vec<i128>;

/// `(values, quotients)` of every node; quotients of affine nodes only.
fn run(architecture: &Architecture, weights: &Weights, input: &[i64]) -> Vec<(Tensor, Tensor)> {
    let mut done: Vec<(Tensor, Tensor)> = vec![];
    for (id, node) in architecture.nodes.iter().enumerate() {
        let result = match &node.op {
            IntegerOp::Input => (input.iter().map(|&v| i128::from(v)).collect(), vec![]),
            IntegerOp::Affine { terms, activation, .. } => {
                let accumulators = affine(architecture, id, terms, &weights.layers[&id], &done);
                let divisor = 1i128 << architecture.shift;
                let quotients: Tensor = accumulators.iter().map(|a| (a + divisor / 2).div_euclid(divisor)).collect();
                (quotients.iter().map(|&q| activate(activation, q)).collect(), quotients)
            }
            IntegerOp::MaxPool { input, kernel } => {
                let shape = &architecture.nodes[*input].shape;
                let at = |c, y, x| done[*input].0[(c * shape[1] + y) * shape[2] + x];
                (
                    pixels(&node.shape)
                        .map(|(c, y, x)| {
                            let window = (0..kernel[0] * kernel[1]).map(|i| (i / kernel[1], i % kernel[1]));
                            window.map(|(i, j)| at(c, y * kernel[0] + i, x * kernel[1] + j)).max().unwrap()
                        })
                        .collect(),
                    vec![],
                )
            }
            IntegerOp::Reshape { input } => (done[*input].0.clone(), vec![]),
            IntegerOp::Transpose { input, permutation } => {
                (transpose(&done[*input].0, &architecture.nodes[*input].shape, permutation), vec![])
            }
        };
        done.push(result);
    }
    done
}

fn pixels(shape: &[usize]) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
    let (c, h, w) = (shape[0], shape[1], shape[2]);
    (0..c * h * w).map(move |i| (i / (h * w), i / w % h, i % w))
}

fn activate(activation: &Activation, q: i128) -> i128 {
    let value = if activation.function == Function::Relu && q < 0 { 0 } else { q };
    value.max(activation.range.lo.into()).min(activation.range.hi.into())
}

fn transpose(values: &[i128], shape: &[usize], permutation: &[usize]) -> Tensor {
    let result: Vec<usize> = permutation.iter().map(|&axis| shape[axis]).collect();
    (0..values.len())
        .map(|flat| {
            let (mut rest, mut index) = (flat, vec![0; shape.len()]);
            for axis in (0..shape.len()).rev() {
                index[permutation[axis]] = rest % result[axis];
                rest /= result[axis];
            }
            values[index.iter().zip(shape).fold(0, |flat, (i, length)| flat * length + i)]
        })
        .collect()
}

fn affine(
    architecture: &Architecture,
    id: usize,
    terms: &[Term],
    layer: &LayerWeights,
    done: &[(Tensor, Tensor)],
) -> Tensor {
    let node = &architecture.nodes[id];
    let plane = node.len() / node.shape[0];
    let mut acc: Tensor = (0..node.len()).map(|i| layer.bias[i / plane].into()).collect();
    for (term, w) in terms.iter().zip(&layer.terms) {
        let x = &done[term.input()].0;
        let shape = &architecture.nodes[term.input()].shape;
        for (i, sum) in acc.iter_mut().enumerate() {
            *sum += match term {
                Term::Dense { .. } => (0..x.len()).map(|j| i128::from(w[i * x.len() + j]) * x[j]).sum(),
                Term::Scale { factor, .. } => i128::from(*factor) * x[i],
                Term::SumPool { kernel, factor, .. } => {
                    let (c, y, z) = pixels(&node.shape).nth(i).unwrap();
                    let mut total = 0;
                    for a in 0..kernel[0] {
                        for b in 0..kernel[1] {
                            total += x[(c * shape[1] + y * kernel[0] + a) * shape[2] + z * kernel[1] + b];
                        }
                    }
                    i128::from(*factor) * total
                }
                Term::Conv { kernel, strides, pads, .. } => {
                    let (o, y, z) = pixels(&node.shape).nth(i).unwrap();
                    let mut total = 0;
                    for (c, a, b) in pixels(&[shape[0], kernel[0], kernel[1]]) {
                        let row = (y * strides[0] + a) as i64 - pads[0] as i64;
                        let column = (z * strides[1] + b) as i64 - pads[1] as i64;
                        let inside = (0..shape[1] as i64).contains(&row) && (0..shape[2] as i64).contains(&column);
                        if inside {
                            let weight = w[((o * shape[0] + c) * kernel[0] + a) * kernel[1] + b];
                            total += i128::from(weight) * x[(c * shape[1] + row as usize) * shape[2] + column as usize];
                        }
                    }
                    total
                }
            };
        }
    }
    acc
}

/// A random network, operator by operator.
struct Random {
    architecture: Architecture,
    weights: Weights,
    numbers: Numbers,
}

impl Random {
    fn new(seed: u64) -> Self {
        let mut numbers = Numbers(seed);
        let shape = [1 + numbers.below(3), 3 + numbers.below(6), 3 + numbers.below(6)].to_vec();
        let range = Interval::new(numbers.between(-200, 0), numbers.between(0, 300));
        let input = IntegerNode { name: "input".into(), shape, range, op: IntegerOp::Input };
        let architecture = Architecture { shift: 4 + numbers.below(8) as u32, nodes: vec![input], output: 0 };
        let mut random = Self { architecture, weights: Weights { layers: BTreeMap::new() }, numbers };
        for _ in 0..2 + random.numbers.below(5) {
            random.layer();
        }
        random.architecture.validate().unwrap();
        random.architecture.validate_weights(&random.weights).unwrap();
        random
    }

    fn push(&mut self, shape: Vec<usize>, range: Interval, op: IntegerOp) {
        let id = self.architecture.nodes.len();
        self.architecture.nodes.push(IntegerNode { name: format!("{}{id}", op.name()), shape, range, op });
        self.architecture.output = id;
    }

    fn layer(&mut self) {
        let input = self.architecture.output;
        let IntegerNode { shape, range, .. } = self.architecture.nodes[input].clone();
        let kernel = [1 + self.numbers.below(3), 1 + self.numbers.below(3)];
        match (self.numbers.below(7), &shape[..]) {
            (0 | 1, &[_, h, w]) => self.conv(input, [h, w], kernel),
            (2, &[c, h, w]) if h >= kernel[0] && w >= kernel[1] => {
                self.push(vec![c, h / kernel[0], w / kernel[1]], range, IntegerOp::MaxPool { input, kernel });
            }
            (3, &[c, h, w]) if h >= kernel[0] && w >= kernel[1] => {
                let factor = self.numbers.between(-90, 90);
                let term = Term::SumPool { input, kernel, factor };
                self.affine(vec![c, h / kernel[0], w / kernel[1]], vec![term]);
            }
            (4, _) => {
                let permutation: Vec<usize> = (0..shape.len()).map(|i| (i + 1) % shape.len()).collect();
                let shape = permutation.iter().map(|&p| shape[p]).collect();
                self.push(shape, range, IntegerOp::Transpose { input, permutation });
            }
            (5, _) => self.push(vec![shape.iter().product()], range, IntegerOp::Reshape { input }),
            (_, &[_]) => {
                let out = 1 + self.numbers.below(6);
                self.affine(vec![out], vec![Term::Dense { input }]);
            }
            _ => {
                let [one, two] = [0; 2].map(|_| self.numbers.between(-900, 900));
                self.affine(shape, vec![Term::Scale { input, factor: one }, Term::Scale { input, factor: two }]);
            }
        }
    }

    /// A convolution, sometimes with a second term: the operand itself where shapes allow.
    fn conv(&mut self, input: usize, [h, w]: [usize; 2], kernel: [usize; 2]) {
        let strides = [1 + self.numbers.below(2), 1 + self.numbers.below(3)];
        let pads = [0; 4].map(|_| self.numbers.below(3));
        let (h, w) = (h + pads[0] + pads[2], w + pads[1] + pads[3]);
        if h < kernel[0] || w < kernel[1] {
            return;
        }
        let channels = 1 + self.numbers.below(3);
        let shape = vec![channels, (h - kernel[0]) / strides[0] + 1, (w - kernel[1]) / strides[1] + 1];
        let mut terms = vec![Term::Conv { input, kernel, strides, pads }];
        if shape == self.architecture.nodes[input].shape {
            terms.push(Term::Scale { input, factor: self.numbers.between(-500, 500) });
        }
        self.affine(shape, terms);
    }

    fn affine(&mut self, shape: Vec<usize>, terms: Vec<Term>) {
        let id = self.architecture.nodes.len();
        let function = [Function::Identity, Function::Relu][self.numbers.below(2)];
        let range = Interval::new(self.numbers.between(-250, 0), self.numbers.between(0, 250));
        let channels = shape[0];
        let op = IntegerOp::Affine {
            terms: terms.clone(),
            activation: Activation { function, range },
            quotient: Interval::new(0, 0),
        };
        self.push(shape, range, op);
        let numbers = &mut self.numbers;
        let matrices = terms
            .iter()
            .map(|t| (0..self.architecture.term_weights(id, t)).map(|_| numbers.between(-99, 99)).collect());
        let layer = LayerWeights {
            terms: matrices.collect(),
            bias: (0..channels).map(|_| numbers.between(-9999, 9999)).collect(),
        };
        let bound = published_interval(affine_quotients(&self.architecture, id, &layer).unwrap());
        let IntegerOp::Affine { quotient, .. } = &mut self.architecture.nodes[id].op else { unreachable!() };
        *quotient = bound;
        self.weights.layers.insert(id, layer);
    }
}

/// Compares executor and re-implementation on one input, and checks that every quotient is published.
fn compare(architecture: &Architecture, weights: &Weights, input: &[i64]) {
    let trace = execute(architecture, weights, input).unwrap();
    let expected = run(architecture, weights, input);
    for (id, node) in architecture.nodes.iter().enumerate() {
        let got: Tensor = trace.values[id].iter().map(|&v| v.into()).collect();
        assert_eq!(got, expected[id].0, "node {id}: {node:?}");
        assert!(trace.values[id].iter().all(|&v| node.range.contains(v)), "node {id}: {node:?}");
        if let IntegerOp::Affine { quotient, .. } = node.op {
            let published = i128::from(quotient.lo)..=i128::from(quotient.hi);
            assert!(expected[id].1.iter().all(|q| published.contains(q)), "node {id}: {node:?}");
        }
    }
}

/// Inputs of all kinds in a range: its ends, mixtures of them, and anything between.
fn inputs(len: usize, range: Interval, numbers: &mut Numbers, count: usize) -> Vec<Vec<i64>> {
    let mut inputs = vec![vec![range.lo; len], vec![range.hi; len], vec![0; len]];
    for round in 0..count {
        let draw = |numbers: &mut Numbers| match round % 2 {
            0 => [range.lo, range.hi][numbers.below(2)],
            _ => numbers.between(range.lo, range.hi),
        };
        inputs.push((0..len).map(|_| draw(numbers)).collect());
    }
    inputs
}

#[test]
fn the_executor_agrees_with_the_written_semantics_on_random_networks() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..400 {
        let Random { architecture, weights, mut numbers } = Random::new(seed);
        for node in &architecture.nodes {
            *seen.entry(node.op.name()).or_default() += 1;
        }
        let node = &architecture.nodes[0];
        for input in inputs(node.len(), node.range, &mut numbers, 4) {
            compare(&architecture, &weights, &input);
        }
    }
    assert!(seen.len() == 5 && seen.values().all(|&count| count > 50), "{seen:?}");
}

#[test]
fn every_input_in_the_domain_stays_inside_the_published_intervals() {
    let mut numbers = Numbers(5);
    for stem in all_fixtures() {
        let (_, Model { architecture, weights, .. }, _) = quantised(&stem, &Options::default());
        let node = &architecture.nodes[0];
        // The re-implementation is slow: the large networks get fewer inputs.
        let count = if node.len() > 1000 {
            0
        } else if node.len() > 500 {
            2
        } else {
            40
        };
        let inputs = inputs(node.len(), node.range, &mut numbers, count);
        for input in inputs.iter().take(if count == 0 { 1 } else { usize::MAX }) {
            compare(&architecture, &weights, input);
        }
    }
}
