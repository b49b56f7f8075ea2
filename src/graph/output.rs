//! Forms of the output: what a verifier gets to see of a network's result.

use super::{Graph, GraphError, Node, NodeId, Op, Window};
use inferproof_circuits::formula::Formula;
use ndarray::ArrayD;
use std::fmt;
use std::str::FromStr;

/// What of the result is the output. Everything else stays hidden.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputForm {
    /// The whole tensor.
    Whole,
    /// The index of the first largest element.
    Argmax,
    /// The indices of the `k` largest elements, the largest first; of equal ones the first comes first.
    TopK(usize),
    /// 1 if the element at an index is greater than a number, else 0. A difference that is less than the integer network
    /// resolves is none.
    Greater {
        /// The element, row-major.
        index: usize,
        /// The number.
        threshold: f32,
    },
    /// Some elements, by their row-major positions.
    Entries(Vec<usize>),
}

impl FromStr for OutputForm {
    type Err = String;

    /// `whole`, `argmax`, `top-k=3`, `score[4]>0.5`, `entries=0,2,5`.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "whole, argmax, top-k=K, score[INDEX]>NUMBER or entries=INDEX,INDEX,..";
        let fault = || format!("expected {expected}, got `{}`", text.escape_debug());
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| fault());
        if let Some(k) = text.strip_prefix("top-k=") {
            return Ok(Self::TopK(number(k)?));
        }
        if let Some(entries) = text.strip_prefix("entries=") {
            return Ok(Self::Entries(entries.split(',').map(number).collect::<Result<_, _>>()?));
        }
        if let Some((index, threshold)) = text.strip_prefix("score[").and_then(|rest| rest.split_once("]>")) {
            let threshold: f32 = threshold.trim().parse().map_err(|_| fault())?;
            return Ok(Self::Greater { index: number(index)?, threshold });
        }
        match text {
            "whole" => Ok(Self::Whole),
            "argmax" => Ok(Self::Argmax),
            _ => Err(fault()),
        }
    }
}

impl fmt::Display for OutputForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Argmax => f.write_str("argmax"),
            Self::TopK(k) => write!(f, "top-k={k}"),
            Self::Greater { index, threshold } => write!(f, "score[{index}]>{threshold}"),
            Self::Entries(entries) => {
                let entries: Vec<String> = entries.iter().map(usize::to_string).collect();
                write!(f, "entries={}", entries.join(","))
            }
        }
    }
}

impl Graph {
    /// The network whose output is a form of this one's.
    ///
    /// # Errors
    /// The faults of this graph, and [`GraphError::Shape`] for indices beyond the output, no index at all, a `k` of 0 or
    /// more than there are elements, or a threshold that is not finite.
    pub fn with_output(self, form: &OutputForm) -> Result<Self, GraphError> {
        self.check()?;
        if *form == OutputForm::Whole {
            return Ok(self);
        }
        let mut extension = Extension { last: self.output, graph: self };
        extension.apply(form)?;
        extension.graph.output = extension.last;
        extension.graph.check()?;
        Ok(extension.graph)
    }
}

/// A graph that grows at its output.
struct Extension {
    graph: Graph,
    last: NodeId,
}

impl Extension {
    fn apply(&mut self, form: &OutputForm) -> Result<(), GraphError> {
        let elements: usize = self.graph.output_shape().iter().product();
        let fault = |expected: String| GraphError::Form { form: form.to_string(), expected, elements };
        let taken = |indices: &[usize]| {
            if indices.is_empty() || indices.iter().any(|index| *index >= elements) {
                return Err(fault(format!("one or more indices below {elements}")));
            }
            Ok(Op::Take { axis: 0, indices: indices.iter().copied().map(Some).collect(), fill: 0.0 })
        };
        match form {
            OutputForm::Whole => Ok(()),
            OutputForm::Entries(entries) => {
                let take = taken(entries)?;
                self.reshape(&[elements]);
                self.push(take, &[entries.len()]);
                Ok(())
            }
            OutputForm::Greater { index, threshold } => {
                let take = taken(&[*index])?;
                if !threshold.is_finite() {
                    return Err(fault("a finite threshold".into()));
                }
                self.reshape(&[elements]);
                self.push(take, &[1]);
                self.push(Op::AddConstant { values: ArrayD::from_elem(vec![1], -threshold) }, &[1]);
                self.push(Op::Unary(Formula::Sign), &[1]);
                self.push(Op::Relu, &[1]);
                Ok(())
            }
            OutputForm::Argmax => self.largest(1, elements),
            OutputForm::TopK(k) if (1..=elements).contains(k) => self.largest(*k, elements),
            OutputForm::TopK(_) => Err(fault(format!("a k from 1 to {elements}"))),
        }
    }

    /// The indices of the largest elements: how many stand before each.
    fn largest(&mut self, k: usize, elements: usize) -> Result<(), GraphError> {
        self.reshape(&[1, elements]);
        let mut indices = vec![];
        for round in 0..k {
            let rows = self.last;
            self.push(Op::BeforeMax, &[1, elements]);
            self.reshape(&[1, 1, elements]);
            self.push(Op::SumPool { window: Window::tiles([1, elements]), divisor: 1.0 }, &[1, 1, 1]);
            indices.push(self.push(Op::Reshape, &[1]));
            if round + 1 < k {
                self.last = rows;
                self.push(Op::DropMax, &[1, elements]);
            }
        }
        if k > 1 {
            self.push_on(Op::Concat { axis: 0 }, indices, &[k]);
        }
        Ok(())
    }

    fn reshape(&mut self, shape: &[usize]) {
        self.push(Op::Reshape, shape);
    }

    fn push(&mut self, op: Op, shape: &[usize]) -> NodeId {
        self.push_on(op, vec![self.last], shape)
    }

    fn push_on(&mut self, op: Op, inputs: Vec<NodeId>, shape: &[usize]) -> NodeId {
        let name = format!("output_{}", op.name().to_lowercase());
        self.graph.nodes.push(Node { name, op, inputs, shape: shape.to_vec() });
        self.last = self.graph.nodes.len() - 1;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn run(form: &str, values: ArrayD<f32>) -> Vec<f32> {
        let input = Node { name: "x".into(), op: Op::Input, inputs: vec![], shape: values.shape().to_vec() };
        let graph = Graph { nodes: vec![input], input: 0, output: 0 };
        let graph = graph.with_output(&form.parse().unwrap()).unwrap();
        graph.run_f32(&values).unwrap()[graph.output].iter().copied().collect()
    }

    #[test]
    fn forms_are_what_they_say() {
        let scores = array![[3.0, -1.0, 7.0], [7.0, 0.5, 2.0]].into_dyn();
        for (form, expected) in [
            ("whole", vec![3.0, -1.0, 7.0, 7.0, 0.5, 2.0]),
            ("argmax", vec![2.0]),
            ("top-k=1", vec![2.0]),
            ("top-k=4", vec![2.0, 3.0, 0.0, 5.0]),
            ("score[4]>0.4", vec![1.0]),
            ("score[4]>0.5", vec![0.0]),
            ("score[1]>0", vec![0.0]),
            ("entries=5,0", vec![2.0, 3.0]),
        ] {
            assert_eq!(run(form, scores.clone()), expected, "{form}");
            let form: OutputForm = form.parse().unwrap();
            assert_eq!(form.to_string().parse(), Ok(form));
        }
    }

    #[test]
    fn forms_that_do_not_fit_are_refused() {
        for text in ["", "max", "top-k=x", "score[1]", "score[a]>1", "entries=", "entries=1,,2"] {
            assert!(text.parse::<OutputForm>().unwrap_err().contains("argmax"), "{text}");
        }
        let input = Node { name: "x".into(), op: Op::Input, inputs: vec![], shape: vec![3] };
        for text in ["top-k=0", "top-k=4", "score[3]>1", "score[0]>inf", "entries=3"] {
            let graph = Graph { nodes: vec![input.clone()], input: 0, output: 0 };
            let error = graph.with_output(&text.parse().unwrap()).unwrap_err();
            assert!(matches!(error, GraphError::Form { .. }), "{text}: {error}");
        }
    }
}
