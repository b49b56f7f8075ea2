//! Committed and private tensors: what the circuit binds of them. What ties the link row to the commitments is outside of it.

use crate::integer::Interval;
use crate::interface::{End, Interface, Visibility};
use crate::machine::LINK_ROW;
use crate::network::Term;
use crate::program::{Cell, Lane, Layout, ProductOp};
use crate::testing::{Case, Keys, NetworkBuilder, RELU8, SIGNED8, conv};
use crate::witness::{ChallengeValues, Link, phase_one, tensor_polynomial};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use std::panic::catch_unwind;

const INPUTS: [Visibility; 3] = [Visibility::Public, Visibility::Committed, Visibility::Private];
const OUTPUTS: [Visibility; 4] = [Visibility::Public, Visibility::Committed, Visibility::Private, Visibility::Given];

fn dense(interface: Interface) -> Case {
    let mut b = NetworkBuilder::new(&[5], Interval::new(-9, 9), 51);
    b.affine(&[3], SIGNED8, vec![Term::Dense { input: 0 }]);
    b.build_for(interface, Layout::direct(2))
}

/// The input's consumer chain is a form's, so what is shown of it is the producer chain's.
fn convolution(interface: Interface) -> Case {
    let mut b = NetworkBuilder::new(&[2, 4, 4], Interval::new(-9, 9), 52);
    let first = b.affine(&[2, 4, 4], RELU8, vec![conv(0, [3, 3], [1, 1], [1; 4])]);
    b.max_pool(first, [2, 2]);
    b.build_for(interface, Layout::direct(2))
}

fn committed() -> Interface {
    Interface { input: Visibility::Committed, output: Visibility::Committed }
}

/// The tensor of each polynomial of the link; none for the mask.
fn tensors(case: &Case) -> Vec<Vec<i64>> {
    let interface = case.program.interface;
    let mut tensors = vec![vec![]; interface.polynomials()];
    for end in interface.committed() {
        let node = if end == End::Input { 0 } else { case.architecture.output };
        tensors[interface.number(end)] = case.trace.values[node].clone();
    }
    tensors
}

#[test]
fn every_interface_holds() {
    for input in INPUTS {
        for output in OUTPUTS {
            let interface = Interface { input, output };
            for case in [dense(interface), convolution(interface)] {
                case.assert_satisfied();
                let public = [input, output].iter().filter(|v| **v == Visibility::Public).count();
                assert_eq!(case.instance.len(), case.program.instance_words());
                assert_eq!(case.instance.is_empty(), public == 0);
                assert_eq!(case.program.interface.is_linked(), interface.committed().count() > 0);
            }
        }
    }
}

/// The row after the link row is what the polynomials come to at `1/u`: the formula of the specification.
#[test]
fn the_link_row_is_the_polynomial() {
    for output in OUTPUTS {
        let case = convolution(Interface { input: Visibility::Committed, output });
        let both = matches!(output, Visibility::Given | Visibility::Committed);
        assert_eq!(tensors(&case).len(), if both { 3 } else { 2 });
        the_link_row_is_the_sum(&case);
    }
}

fn the_link_row_is_the_sum(case: &Case) {
    let [channel, position, alpha, beta] = [3, 5, 7, 1_000_003].map(Fr::from);
    let challenges = ChallengeValues { channel, position, alpha, beta };
    let w = phase_one(&case.program, &case.phase0, &case.lanes, &challenges, &case.instance).unwrap();
    let link = case.phase0.link.as_ref().unwrap();
    let v = position.invert().unwrap();
    let power = |exponent: usize| v.pow_vartime([exponent as u64]);
    let mut expected = Fr::ZERO;
    for (number, values) in tensors(case).iter().enumerate() {
        let blinds = link.coefficient(number, 1).0 * v + link.coefficient(number, 2).0 * power(2);
        let elements: Fr = (0..).zip(values).map(|(i, x)| crate::integer::to_field(*x) * power(i + 3)).sum();
        expected += channel.pow_vartime([number as u64]) * (blinds + elements);
    }
    expected *= channel.pow_vartime([case.program.layout.lanes as u64]);
    assert_eq!(w.omega[LINK_ROW], expected);
    assert_eq!(w.value(Cell::P(LINK_ROW + 1), &case.phase0), expected);
}

/// Another tensor in the link than in the circuit, another blinding cell: the one equality refuses it, and only it.
#[test]
fn the_circuit_speaks_of_the_linked_tensors() {
    let given = Interface { output: Visibility::Given, ..committed() };
    for honest in [dense(committed()), convolution(committed()), dense(given)] {
        let keys = Keys::new(&honest.circuit());
        assert!(keys.accepts(honest.circuit(), &honest.instance));
        let tensors = tensors(&honest);
        let all = tensors.iter().enumerate().flat_map(|(polynomial, values)| {
            [1, 2, 3, 5].into_iter().filter(|power| *power <= values.len() + 2).map(move |power| (polynomial, power))
        });
        for (polynomial, power) in all.collect::<Vec<_>>() {
            let mut case = honest.clone();
            case.phase0.link = Some(changed_link(&honest, &tensors, |p, at| (p, at) == (polynomial, power)));
            assert!(!keys.accepts(case.circuit(), &case.instance), "polynomial {polynomial}, power {power}");
            let mut weak = case.clone();
            let end = Cell::P(LINK_ROW + 1);
            weak.program.equalities.retain(|(a, b)| *a != end && *b != end);
            assert_eq!(weak.program.equalities.len() + 1, case.program.equalities.len());
            assert!(Keys::new(&weak.circuit()).accepts(weak.circuit(), &weak.instance), "the forgery is no forgery");
        }
    }
}

/// The link of a case with 1 added to the coefficients that are `wrong`.
fn changed_link(case: &Case, tensors: &[Vec<i64>], wrong: impl Fn(usize, usize) -> bool) -> Link {
    let link = case.phase0.link.as_ref().unwrap();
    let polynomials = tensors.iter().enumerate().map(|(number, values)| {
        let blinds = [1, 2].map(|power| link.coefficient(number, power));
        let mut polynomial = tensor_polynomial(&blinds, values);
        for (index, coefficient) in polynomial.iter_mut().enumerate() {
            coefficient.0 += Fr::from(u64::from(wrong(number, index + 1)));
        }
        polynomial
    });
    Link::new(polynomials.collect())
}

/// Inputs are committed to beforehand in any case.
#[test]
fn no_input_is_given() {
    let case = dense(Interface::default());
    let interface = Interface { input: Visibility::Given, output: Visibility::Public };
    let error = crate::layers::compile(&case.architecture, interface, Layout::direct(2)).unwrap_err();
    assert!(error.to_string().contains("given"), "{error}");
}

/// An element outside its range, in the circuit and in the link alike: its table refuses it.
#[test]
fn private_and_committed_elements_are_in_range() {
    for input in [Visibility::Committed, Visibility::Private] {
        let honest = dense(Interface { input, output: Visibility::Public });
        let keys = Keys::new(&honest.circuit());
        let row = honest.program.rows.iter().position(|r| matches!(r.lane, Lane::Value { node: 0, index: 1, .. }));
        let row = row.unwrap();
        let (tag, q) = (honest.program.rows[row].tag, honest.phase0.q[row] as i64);
        for wrong in [10, -10, 1 << 20] {
            assert!(honest.program.table.find(tag, q, wrong).is_none());
            let mut case = honest.clone();
            case.phase0.y[row] = wrong;
            if input == Visibility::Committed {
                let mut values = honest.trace.values[0].clone();
                values[1] = wrong;
                case.phase0.link = Some(changed_link(&honest, &[vec![], values], |_, _| false));
            }
            assert!(!keys.accepts(case.circuit(), &case.instance), "{input:?}: {wrong}");
        }
    }
}

/// The obligations around the link row: each broken by itself.
#[test]
fn the_link_row_reads_omega_as_it_is() {
    let program = dense(committed()).program;
    let slot = program.rows.iter().find_map(|r| r.slot).unwrap();
    let refused = |what: &str, change: &dyn Fn(&mut crate::program::Program)| {
        let mut program = program.clone();
        change(&mut program);
        assert!(catch_unwind(|| program.check()).is_err(), "{what}");
    };
    refused("a weight on the link row", &|p| p.rows[LINK_ROW].slot = Some(slot));
    refused("a weight before it", &|p| p.rows[LINK_ROW - 1].slot = Some(slot));
    refused("no start before it", &|p| p.rows[LINK_ROW - 1].product = ProductOp::None);
    refused("not read", &|p| p.rows[LINK_ROW].product = ProductOp::None);
    refused("scaled", &|p| p.rows[LINK_ROW].z_pin = crate::program::Pin::Copy(Cell::Z(0)));
    refused("a product elsewhere", &|p| p.rows[LINK_ROW + 2].product = ProductOp::Product);
    refused("no link, but read", &|p| p.interface = Interface::default());
    refused("two blinds of one place", &|p| {
        let blinds = |r: &&mut crate::program::Row| matches!(r.lane, Lane::Blind { .. });
        let all: Vec<_> = p.rows.iter_mut().filter(blinds).collect();
        let first = all[0].lane;
        all.into_iter().for_each(|r| r.lane = first);
    });
    refused("read twice", &|p| p.equalities.push((Cell::P(LINK_ROW + 1), Cell::Y(0))));
    refused("not read at all", &|p| p.equalities.retain(|(_, b)| *b != Cell::P(LINK_ROW + 1)));
    refused("the instance chain ends there", &|p| p.rows[LINK_ROW + 1].y = crate::program::ChainOp::Reset);
    refused("a polynomial with one cell", &|p| {
        let blind = p.rows.iter().position(|r| matches!(r.lane, Lane::Blind { .. })).unwrap();
        p.rows[blind].lane = Lane::Rim { node: 1, channel: 0, offset: 0, negative: false };
    });
}
