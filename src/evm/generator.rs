//! The verifier contract of a shape, from the shape's constraint system.
//!
//! Nothing of the machine is written down here: gates, queries, copy columns and degree are those of the
//! constraint system that the Rust verifier uses. The order of a proof is halo2's; see `docs/spec/transcript.md`.

use super::expression::{Arithmetic, Cells};
use crate::keys::proof_tag;
use crate::statement::{PROOF_DOMAIN, PROOF_VERSION};
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Any, ConstraintSystem};
use inferproof_circuits::interface::{Interface, Visibility};
use inferproof_circuits::machine::proof_bytes;
use inferproof_circuits::machine::{DEGREE, Machine, Parameters, Shape, UNUSABLE_ROWS};
use minijinja::{Environment, context};
use serde::Serialize;

/// First address: below it lie Solidity's own words and what the compiler moves from the stack to memory.
const BASE: usize = 0x1000;
const TEMPLATE: &str = include_str!("InferenceVerifier.sol.jinja");

/// A word, or several, at a fixed address.
#[derive(Serialize)]
struct Slot {
    name: String,
    address: String,
    note: &'static str,
}

struct Memory {
    slots: Vec<Slot>,
    next: usize,
}

impl Memory {
    fn words(&mut self, name: &str, count: usize, note: &'static str) {
        self.slots.push(Slot { name: name.into(), address: format!("{:#06x}", self.next), note });
        self.next += 32 * count;
    }
}

#[derive(Serialize)]
struct Squeeze {
    /// Start of what is absorbed, if anything is.
    absorb: String,
    length: usize,
    /// Where the challenge goes, if the verifier needs it.
    name: &'static str,
}

/// A commitment with its evaluations at `x` and, for the second set, at the next row.
struct Opened {
    scalar: String,
    here: String,
    next: Option<String>,
    in_key: bool,
}

/// The constraint system of a shape and what follows from it.
struct System {
    shape: Shape,
    cs: ConstraintSystem<Fr>,
    gates: Vec<(String, halo2_proofs::plonk::Expression<Fr>)>,
}

impl System {
    fn new(shape: Shape) -> Self {
        let mut cs = ConstraintSystem::default();
        let _ = Machine::configure(&mut cs, Parameters::of(shape));
        assert_eq!(cs.degree(), DEGREE, "the machine's degree is fixed");
        let gates = cs.gates().iter().flat_map(|gate| {
            gate.polynomials().iter().enumerate().map(|(i, p)| (gate.constraint_name(i).to_string(), p.clone()))
        });
        let gates = gates.collect();
        Self { shape, cs, gates }
    }

    fn advice_evaluations(&self) -> Vec<String> {
        self.cs.advice_queries().iter().map(|(c, r)| evaluation(self.shape.advice_names()[c.index()], r.0)).collect()
    }

    fn fixed_evaluations(&self) -> Vec<String> {
        self.cs.fixed_queries().iter().map(|(c, r)| evaluation(self.shape.fixed_names()[c.index()], r.0)).collect()
    }

    /// Names of the columns under the copy argument.
    fn copied(&self) -> Vec<&'static str> {
        let name = |column: &halo2_proofs::plonk::Column<Any>| match column.column_type() {
            Any::Advice(_) => self.shape.advice_names()[column.index()],
            _ => unreachable!("the machine copies advice only"),
        };
        self.cs.permutation().get_columns().iter().map(name).collect()
    }

    /// All evaluations in the order of a proof.
    fn evaluations(&self) -> Vec<String> {
        let mut names = self.advice_evaluations();
        names.extend(self.fixed_evaluations());
        names.push("EV_RANDOM".into());
        names.extend(self.copied().iter().map(|c| format!("EV_SIGMA_{}", c.to_uppercase())));
        names.extend(["EV_COPY".into(), "EV_COPY_NEXT".into()]);
        names
    }
}

/// Name of an evaluation's address.
fn evaluation(column: &str, rotation: i32) -> String {
    let name = format!("EV_{}", column.to_uppercase());
    match rotation {
        0 => name,
        1 => format!("{name}_NEXT"),
        _ => unreachable!("the machine reads this row and the next"),
    }
}

struct Addresses(Shape);

impl Cells for Addresses {
    fn advice(&self, column: usize, rotation: i32) -> String {
        evaluation(self.0.advice_names()[column], rotation)
    }

    fn fixed(&self, column: usize, rotation: i32) -> String {
        evaluation(self.0.fixed_names()[column], rotation)
    }

    fn instance(&self) -> String {
        "INSTANCE".into()
    }

    fn challenge(&self, index: usize) -> String {
        ["R", "POSITION", "ALPHA", "BETA"][index].into()
    }
}

/// Name of the verifier contract of a shape, and of its file.
#[must_use]
pub const fn contract_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Paired => "PairedVerifier",
        Shape::Single => "InferenceVerifier",
    }
}

/// Name of the file with the constants of a shape.
#[must_use]
pub const fn constants_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Paired => "PairedShape",
        Shape::Single => "MachineShape",
    }
}

/// Solidity source of the constants that other contracts of a shape need.
#[must_use]
pub fn shape_source(shape: Shape) -> String {
    let system = System::new(shape);
    format!(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         // Generated by `inferproof contract export` from the machine's constraint system. Do not edit: change src/evm/ instead.\n\
         pragma solidity ^0.8.24;\n\n\
         /// @dev Version of the machine.\n\
         uint16 constant MACHINE_VERSION = {};\n\
         /// @dev First four bytes of every proof.\n\
         bytes4 constant PROOF_TAG = 0x{};\n\
         /// @dev Commitments to the columns of a program, and to its copy constraints.\n\
         uint256 constant FIXED_COMMITMENTS = {};\n\
         uint256 constant PERMUTATION_COMMITMENTS = {};\n\
         /// @dev Points of a stored key before its lanes: these, two of the span, and that of the link row.\n\
         uint256 constant KEY_POINTS = {};\n",
        shape.version(),
        hex::encode(proof_tag(shape)),
        system.cs.num_fixed_columns(),
        system.copied().len(),
        3 + system.cs.num_fixed_columns() + system.copied().len(),
    )
}

/// Solidity source of the verifier of a shape.
#[must_use]
pub fn verifier_source(shape: Shape) -> String {
    let system = System::new(shape);
    let pieces = DEGREE - 1;
    let advice = system.cs.num_advice_columns();
    let [zero, between, one] = shape.phases();
    let front = advice + 2 + pieces;
    let evaluations = system.evaluations();
    let (constraints, temporaries) = constraints(&system);
    let memory = memory(front, &evaluations, temporaries);
    let proof = |point: usize| format!("add(PROOF, {:#x})", 64 * point);
    let squeeze = |absorb: String, length: usize, name: &'static str| Squeeze { absorb, length, name };
    let again = |name: &'static str| Squeeze { absorb: String::new(), length: 0, name };
    let squeezes = [
        again("R"),
        if between == 0 { again("POSITION") } else { squeeze(proof(zero), 64 * between, "POSITION") },
        again("ALPHA"),
        again("BETA"),
        squeeze(proof(zero + between), 64 * one, ""),
        again("COPY_BETA"),
        again("COPY_GAMMA"),
        squeeze(proof(advice), 128, "Y"),
        squeeze(proof(advice + 2), 64 * pieces, "X"),
        squeeze("EVALUATION".into(), 32 * evaluations.len(), "Y_OPEN"),
        again("V"),
        squeeze("BACK".into(), 64, "U"),
    ];
    let domain = [PROOF_DOMAIN, PROOF_VERSION.to_be_bytes().as_slice()].concat();
    let scalar = |point: usize| format!("{:#x}", memory.address("SCALAR") + 32 * point);
    let plain = Interface::default();
    let output = Interface { output: Visibility::Committed, ..plain };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    let values = context! {
        machine_version => shape.version(),
        contract => contract_name(shape),
        constants => constants_name(shape),
        public_proof => proof_bytes(shape, false, plain),
        span_bytes => proof_bytes(shape, true, plain) - proof_bytes(shape, false, plain),
        link_bytes => proof_bytes(shape, false, output) - proof_bytes(shape, false, plain),
        front_points => front,
        evaluations => evaluations.len(),
        points => front + 2,
        domain => format!("0x{:0<64}", hex::encode(&domain)),
        domain_length => domain.len(),
        base => format!("{BASE:#06x}"),
        slots => memory.slots,
        phase0_bytes => 64 * zero,
        squeezes => squeezes,
        unusable => UNUSABLE_ROWS,
        constraints => constraints,
        openings => openings(&system),
        omega_scalar => scalar(shape.omega()),
        h1_scalar => scalar(front),
        h2_scalar => scalar(front + 1),
        t_scalar => scalar(front + 2),
        q_scalar => scalar(front + 3),
    };
    environment.render_str(TEMPLATE, values).expect("the template is part of this crate")
}

impl Memory {
    fn address(&self, name: &str) -> usize {
        let slot = self.slots.iter().find(|slot| slot.name == name).expect("a slot");
        usize::from_str_radix(&slot.address[2..], 16).expect("hexadecimal")
    }
}

fn memory(front: usize, evaluations: &[String], temporaries: usize) -> Memory {
    let mut memory = Memory { slots: vec![], next: BASE };
    memory.words("SUM", 5, "Right side of the pairing equation, without the generator's part.");
    memory.words("LEFT", 5, "Left side, what is paired with `[tau]_2`.");
    memory.words("GENERATOR", 1, "Scalar of the generator.");
    memory.words("KEY_ID", 1, "Model whose key is loaded.");
    memory.words("BATCH", 1, "Hash of all claims so far.");
    memory.words("ACCUMULATORS_END", 0, "");
    memory.words("ORDER", 1, "The group order, and the size of the coordinates' field.");
    memory.words("FIELD", 1, "");
    memory.words("GENERATOR_POINT", 2, "The generator of G1.");
    memory.words("KEY_SCALARS", 1, "Where the scalars of the key's points are, and where they end.");
    memory.words("KEY_END", 1, "");
    memory.words("WORDS", 1, "Where the public words are, and where they end.");
    memory.words("WORDS_END", 1, "");
    memory.words("FREE", 1, "What is free after them.");
    let challenges = ["R", "POSITION", "ALPHA", "BETA", "COPY_BETA", "COPY_GAMMA", "Y", "X", "Y_OPEN", "V", "U"];
    for (index, name) in challenges.into_iter().enumerate() {
        memory.words(name, 1, if index == 0 { "Challenges, in order." } else { "" });
    }
    memory.words("SPAN_CHALLENGE", 1, "");
    memory.words("MERGE", 1, "Factor of the weights' equation within a claim, and of the claim within a batch.");
    memory.words("FACTOR", 1, "");
    memory.words("X_NEXT", 1, "`x` at the next row, `x^n`, and the power that the batch inversion ends with.");
    memory.words("XN", 1, "");
    memory.words("POWER", 1, "");
    memory.words("SET_INVERSE", 1, "`1 / (u - x_next)`, `1 / (x_next - x)`, `1 / (x^n - 1)`.");
    memory.words("STEP_INVERSE", 1, "");
    memory.words("VANISHING_INVERSE", 1, "");
    memory.words("L_FIRST", 1, "Lagrange polynomials at `x`: row 0, the first random row, the sum of the others.");
    memory.words("L_LAST", 1, "");
    memory.words("L_BLIND", 1, "");
    memory.words("INSTANCE", 1, "Evaluation of the public words.");
    memory.words("QUOTIENT", 1, "Evaluation of the quotient.");
    memory.words("TEMPORARY", temporaries, "Parts of constraints that occur more than once.");
    memory.words("SCALAR", front + 4, "Scalars of the proof's points.");
    memory.words("LINK_SCALAR", 3, "Scalars of the link's points, and of its quotient on the left side.");
    memory.words("LINK_LEFT", 1, "");
    memory.words("LINK_POINTS", 6, "The mask, the committed input, the committed output.");
    memory.words("LINK_VALUE", 1, "What they open to.");
    memory.words("PROOF", 2 * front, "The proof without its tag: points,");
    memory.words("EVALUATION", 0, "evaluations,");
    for name in evaluations {
        memory.words(name, 1, "");
    }
    memory.words("BACK", 4, "opening points,");
    memory.words("SPAN_POINT", 2, "the span proof's point,");
    memory.words("LINK_QUOTIENT", 2, "the link proof's,");
    memory.words("RESPONSE", 2, "the span proof's scalars.");
    memory.words("KEY", 0, "The key: words of its header, then points, then the scalars of these.");
    let header = [
        "KEY_K",
        "KEY_ROOT",
        "KEY_ROOT_INVERSE",
        "KEY_ROOT_UNUSABLE",
        "KEY_N_INVERSE",
        "KEY_INPUT_BYTES",
        "KEY_INPUT_CHUNK",
        "KEY_INPUT_MASK",
        "KEY_OUTPUT_BYTES",
        "KEY_OUTPUT_CHUNK",
        "KEY_OUTPUT_MASK",
        "KEY_SECRET",
        "KEY_DIGEST",
        "KEY_LANES",
        "KEY_LINKS",
        "KEY_MASKED",
        "KEY_INPUT_HEADER",
        "KEY_OUTPUT_HEADER",
    ];
    for name in header {
        memory.words(name, 1, "");
    }
    memory
}

/// Lines that fold the constraints by `y`, and the number of temporaries.
fn constraints(system: &System) -> (String, usize) {
    let mut arithmetic = Arithmetic::default();
    let mut roots = vec![];
    for (name, polynomial) in &system.gates {
        roots.push((format!("[{name}]"), arithmetic.expression(polynomial, &Addresses(system.shape))));
    }
    let copies = copies(&mut arithmetic, &system.copied());
    roots.extend(copies.into_iter().map(|(note, root)| (note.to_string(), root)));
    let ids: Vec<usize> = roots.iter().map(|(_, id)| *id).collect();
    let count = std::cell::Cell::new(0);
    let code = arithmetic.code(&ids, |index| {
        count.set(count.get().max(index + 1));
        format!("add(TEMPORARY, {:#x})", 32 * index)
    });
    let indent = "            ";
    let mut lines = vec![];
    for ((note, _), (stores, value)) in roots.iter().zip(code) {
        lines.push(format!("{indent}// {note}"));
        lines.extend(stores.into_iter().map(|line| format!("{indent}{line}")));
        lines.push(format!("{indent}fold := addmod(mulmod(fold, y, r), {value}, r)"));
    }
    (lines.join("\n"), count.get())
}

/// halo2's constraints of the permutation product, all columns in one.
fn copies(a: &mut Arithmetic, columns: &[&str]) -> [(&'static str, usize); 3] {
    assert!(columns.len() <= DEGREE - 2, "one product");
    let one = a.constant(Fr::ONE);
    let [product, next] = ["EV_COPY", "EV_COPY_NEXT"].map(|name| a.load(name));
    let [first, last, blind] = ["L_FIRST", "L_LAST", "L_BLIND"].map(|name| a.load(name));
    let [beta, gamma, x] = ["COPY_BETA", "COPY_GAMMA", "X"].map(|name| a.load(name));
    let start = a.difference(one, product);
    let start = a.product(first, start);
    let square = a.product(product, product);
    let end = a.difference(square, product);
    let end = a.product(last, end);
    let (mut left, mut right) = (next, product);
    let beta_x = a.product(beta, x);
    for (index, column) in columns.iter().enumerate() {
        let value = a.load(&evaluation(column, 0));
        let sigma = a.load(&format!("EV_SIGMA_{}", column.to_uppercase()));
        let shifted = a.sum(value, gamma);
        let here = a.product(beta, sigma);
        let here = a.sum(shifted, here);
        left = a.product(left, here);
        let delta = a.constant(Fr::DELTA.pow_vartime([index as u64]));
        let own = if index == 0 { beta_x } else { a.product(beta_x, delta) };
        let own = a.sum(shifted, own);
        right = a.product(right, own);
    }
    let outside = a.sum(last, blind);
    let inside = a.difference(one, outside);
    let step = a.difference(left, right);
    let step = a.product(inside, step);
    [("copies: the product starts at 1", start), ("copies: and ends at 0 or 1", end), ("copies: and steps", step)]
}

/// Lines that set the scalars of all commitments and add up what they open to.
fn openings(system: &System) -> String {
    let pieces = DEGREE - 1;
    let advice = system.cs.num_advice_columns();
    let point = |index: usize| format!("add(SCALAR, {:#x})", 32 * index);
    let key = |index: usize| format!("add(keys, {:#x})", 32 * (index + 3));
    let mut queried: Vec<Opened> = vec![];
    for (column, rotation) in system.cs.advice_queries() {
        query(&mut queried, point(column.index()), system.shape.advice_names()[column.index()], rotation.0, false);
    }
    queried.push(Opened {
        scalar: point(advice),
        here: "EV_COPY".into(),
        next: Some("EV_COPY_NEXT".into()),
        in_key: false,
    });
    for (column, rotation) in system.cs.fixed_queries() {
        query(&mut queried, key(column.index()), system.shape.fixed_names()[column.index()], rotation.0, true);
    }
    let fixed = system.cs.num_fixed_columns();
    for (index, column) in system.copied().iter().enumerate() {
        let here = format!("EV_SIGMA_{}", column.to_uppercase());
        queried.push(Opened { scalar: key(fixed + index), here, next: None, in_key: true });
    }
    let indent = "            ";
    let mut lines = vec![format!("{indent}// Opened at x.")];
    let mut push = |line: String| lines.push(format!("{indent}{line}"));
    let set = |opened: &Opened| {
        let value =
            if opened.in_key { format!("addmod(mload({}), power, r)", opened.scalar) } else { "power".to_string() };
        format!("mstore({}, {value})", opened.scalar)
    };
    for opened in queried.iter().filter(|o| o.next.is_none()) {
        push(format!("// {}", opened.here));
        push(set(opened));
        push(format!("value := addmod(value, mulmod(power, mload({}), r), r)", opened.here));
        push("power := mulmod(power, step, r)".into());
    }
    push("// The quotient: its pieces by powers of x^n.".into());
    push("value := addmod(value, mulmod(power, mload(QUOTIENT), r), r)".into());
    push("let piece := power".into());
    for index in 0..pieces {
        push(format!("mstore({}, piece)", point(advice + 2 + index)));
        if index + 1 < pieces {
            push("piece := mulmod(piece, xn, r)".into());
        }
    }
    push("power := mulmod(power, step, r)".into());
    push("// The random polynomial.".into());
    push(format!("mstore({}, power)", point(advice + 1)));
    push("value := addmod(value, mulmod(power, mload(EV_RANDOM), r), r)".into());
    push("// Opened at x and at the next row: to the line through both, at u.".into());
    push("power := mulmod(factor, mulmod(mload(V), mload(SET_INVERSE), r), r)".into());
    push("let along := mulmod(addmod(mload(U), sub(r, mload(X)), r), mload(STEP_INVERSE), r)".into());
    for opened in queried.iter() {
        let Some(next) = &opened.next else { continue };
        push(format!("// {}", opened.here));
        push(set(opened));
        push(format!(
            "value := addmod(value, mulmod(power, addmod(mload({here}), mulmod(along, addmod(mload({next}), sub(r, mload({here})), r), r), r), r), r)",
            here = opened.here,
        ));
        push("power := mulmod(power, step, r)".into());
    }
    lines.join("\n")
}

/// Notes a query; a commitment that is queried again has two points.
fn query(queried: &mut Vec<Opened>, scalar: String, column: &str, rotation: i32, in_key: bool) {
    let name = evaluation(column, rotation);
    match queried.iter_mut().find(|o| o.scalar == scalar) {
        Some(opened) => {
            assert!(opened.next.is_none() && rotation == 1, "here, then the next row");
            opened.next = Some(name);
        }
        None => queried.push(Opened { scalar, here: name, next: None, in_key }),
    }
}
