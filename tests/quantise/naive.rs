//! The semantics once more, written as in `docs/spec/network.md` and with nothing of the executor: every sum in `i128`,
//! every index by hand. It must agree with the executor on random networks and on every fixture.

use super::*;
use inferproof_circuits::{
    formula::{Formula, Real},
    integer::{Activation, Function, Interval},
    network::{
        Architecture, LayerWeights, Node as IntegerNode, Op as IntegerOp, Term, Weights, Window, affine_quotients,
        execute, published_interval,
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
            IntegerOp::Take { input, axis, indices, fill } => {
                let shape = &architecture.nodes[*input].shape;
                let at = |mut index: Vec<usize>| match indices[index[*axis]] {
                    None => i128::from(*fill),
                    Some(from) => {
                        index[*axis] = from;
                        done[*input].0[flat(&index, shape)]
                    }
                };
                ((0..node.len()).map(|i| at(unflat(i, &node.shape))).collect(), vec![])
            }
            IntegerOp::Concat { inputs, axis } => {
                let at = |mut index: Vec<usize>| {
                    for input in inputs {
                        let shape = &architecture.nodes[*input].shape;
                        if index[*axis] < shape[*axis] {
                            return done[*input].0[flat(&index, shape)];
                        }
                        index[*axis] -= shape[*axis];
                    }
                    unreachable!("an index within the result")
                };
                ((0..node.len()).map(|i| at(unflat(i, &node.shape))).collect(), vec![])
            }
            IntegerOp::BeforeMax { input, .. } => {
                let mut bits = vec![];
                for row in done[*input].0.chunks(node.shape[1]) {
                    // An element stands before the first maximum if nothing up to it is as large as all that follow.
                    bits.extend((0..row.len()).map(|i| {
                        let later = row[i + 1..].iter().max();
                        i128::from(later.is_some_and(|later| row[..=i].iter().all(|value| value < later)))
                    }));
                }
                (bits, vec![])
            }
        };
        done.push(result);
    }
    done
}

fn flat(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |flat, (i, length)| flat * length + i)
}

fn unflat(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = flat % shape[axis];
        flat /= shape[axis];
    }
    index
}

fn pixels(shape: &[usize]) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
    let (c, h, w) = (shape[0], shape[1], shape[2]);
    (0..c * h * w).map(move |i| (i / (h * w), i / w % h, i % w))
}

fn activate(activation: &Activation, q: i128) -> i128 {
    let value = match activation.function {
        Function::Relu if q < 0 => 0,
        Function::Formula { formula, from, to, domain } => {
            let q = q.max(domain.lo.into()).min(domain.hi.into());
            let scaled = formula.evaluate(q as f64 / from.0) * to.0;
            // Halves away from zero.
            (if scaled < 0.0 { -(0.5 - scaled).floor() } else { (scaled + 0.5).floor() }) as i128
        }
        _ => q,
    };
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
                Term::Product { right, factor, .. } => i128::from(*factor) * x[i] * done[*right].0[i],
                Term::SumPool { window, factor, .. } => {
                    let (c, y, z) = pixels(&node.shape).nth(i).unwrap();
                    let cells = pixels(&[1, window.kernel[0], window.kernel[1]]);
                    let read = cells.filter_map(|(_, a, b)| pixel(window, shape, [y, z], [a, b]));
                    i128::from(*factor) * read.map(|at| x[c * shape[1] * shape[2] + at]).sum::<i128>()
                }
                Term::Conv { window, groups, .. } => {
                    let (o, y, z) = pixels(&node.shape).nth(i).unwrap();
                    let (outputs, inputs) = (node.shape[0] / groups, shape[0] / groups);
                    let mut total = 0;
                    for (c, a, b) in pixels(&[inputs, window.kernel[0], window.kernel[1]]) {
                        if let Some(at) = pixel(window, shape, [y, z], [a, b]) {
                            let weight = w[((o * inputs + c) * window.kernel[0] + a) * window.kernel[1] + b];
                            let channel = o / outputs * inputs + c;
                            total += i128::from(weight) * x[channel * shape[1] * shape[2] + at];
                        }
                    }
                    total
                }
            };
        }
    }
    acc
}

/// The pixel of a plane that a window's element falls on, unless that is padding.
fn pixel(window: &Window, shape: &[usize], at: [usize; 2], element: [usize; 2]) -> Option<usize> {
    let [row, column] = [0, 1].map(|axis| {
        (at[axis] * window.strides[axis] + element[axis] * window.dilations[axis]) as i64 - window.pads[axis] as i64
    });
    let inside = (0..shape[1] as i64).contains(&row) && (0..shape[2] as i64).contains(&column);
    inside.then(|| row as usize * shape[2] + column as usize)
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
        match (self.numbers.below(11), &shape[..]) {
            (0 | 1, &[_, h, w]) => self.conv(input, [h, w], kernel),
            (2, &[c, h, w]) if h >= kernel[0] && w >= kernel[1] => {
                self.push(vec![c, h / kernel[0], w / kernel[1]], range, IntegerOp::MaxPool { input, kernel });
            }
            (3, &[c, h, w]) if h >= kernel[0] && w >= kernel[1] => {
                let factor = self.numbers.between(-90, 90);
                let window = if self.numbers.below(2) == 0 { Window::tiles(kernel) } else { self.window(kernel) };
                let [Some(h), Some(w)] = [(0, h), (1, w)].map(|(axis, length)| window.count(axis, length)) else {
                    return;
                };
                self.affine(vec![c, h, w], vec![Term::SumPool { input, window, factor }]);
            }
            (4, _) => {
                let permutation: Vec<usize> = (0..shape.len()).map(|i| (i + 1) % shape.len()).collect();
                let shape = permutation.iter().map(|&p| shape[p]).collect();
                self.push(shape, range, IntegerOp::Transpose { input, permutation });
            }
            (5, _) => self.push(vec![shape.iter().product()], range, IntegerOp::Reshape { input }),
            (6, _) => {
                let axis = self.numbers.below(shape.len());
                let indices: Vec<Option<usize>> =
                    (0..=shape[axis]).map(|_| self.numbers.below(shape[axis] + 1).checked_sub(1)).collect();
                let mut taken = shape.clone();
                taken[axis] = indices.len();
                self.push(taken, range, IntegerOp::Take { input, axis, indices, fill: range.hi });
            }
            (7, _) => {
                let axis = self.numbers.below(shape.len());
                let mut both = shape.clone();
                both[axis] *= 2;
                self.push(both, range, IntegerOp::Concat { inputs: vec![input, input], axis });
            }
            (8, _) => {
                let length = shape[shape.len() - 1];
                let rows = shape.iter().product::<usize>() / length;
                self.push(vec![rows, length], range, IntegerOp::Reshape { input });
                let input = self.architecture.output;
                self.push(vec![1, rows, length], range, IntegerOp::Reshape { input });
                let pool = IntegerOp::MaxPool { input: input + 1, kernel: [1, length] };
                self.push(vec![1, rows, 1], range, pool);
                let bits = IntegerOp::BeforeMax { input, maximum: input + 2 };
                self.push(vec![rows, length], Interval::new(0, 1), bits);
            }
            (9, _) => {
                let factor = self.numbers.between(-9, 9);
                self.affine(shape, vec![Term::Product { left: input, right: input, factor }]);
            }
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

    /// Windows of any kind.
    fn window(&mut self, kernel: [usize; 2]) -> Window {
        let strides = [1 + self.numbers.below(2), 1 + self.numbers.below(3)];
        let dilations = [1 + self.numbers.below(2), 1 + self.numbers.below(2)];
        Window { kernel, strides, pads: [0; 4].map(|_| self.numbers.below(3)), dilations }
    }

    /// A convolution, sometimes of groups, sometimes with a second term: the operand itself where shapes allow.
    fn conv(&mut self, input: usize, [h, w]: [usize; 2], kernel: [usize; 2]) {
        let window = self.window(kernel);
        let [Some(h), Some(w)] = [(0, h), (1, w)].map(|(axis, length)| window.count(axis, length)) else { return };
        let channels = self.architecture.nodes[input].shape[0];
        let groups = if self.numbers.below(3) == 0 { channels } else { 1 };
        let outputs = groups * (1 + self.numbers.below(3));
        let shape = vec![outputs, h, w];
        let mut terms = vec![Term::Conv { input, window, groups }];
        if groups == 1 && shape == self.architecture.nodes[input].shape {
            terms.push(Term::Scale { input, factor: self.numbers.between(-500, 500) });
        }
        self.affine(shape, terms);
    }

    fn affine(&mut self, shape: Vec<usize>, terms: Vec<Term>) {
        let id = self.architecture.nodes.len();
        let domain = Interval::new(self.numbers.between(-90, 0), self.numbers.between(0, 90));
        let formula = Function::Formula { formula: Formula::Gelu, from: Real(20.0), to: Real(31.0), domain };
        let function = [Function::Identity, Function::Relu, formula][self.numbers.below(3)];
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
    assert!(seen.len() == 8 && seen.values().all(|&count| count > 50), "{seen:?}");
}

#[test]
fn every_input_in_the_domain_stays_inside_the_published_intervals() {
    let mut numbers = Numbers(5);
    for stem in all_fixtures() {
        let (_, Model { architecture, weights, .. }, _) = quantised(&stem, &QuantiseOptions::default());
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
