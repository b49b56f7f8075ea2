#!/usr/bin/env node
// Shows that each check in the contracts is tested: takes it out in a temporary copy, and expects the tests to fail.
//
// Mutants are made in three ways. Every `if (..) revert ..;` of a file with `guards: true` is removed, one at a time; a revert of
// another form is an error here, so none can be overlooked. Every line that matches one of `lines` is removed. And each entry of
// `edits` replaces text that occurs exactly once. `unreachable` names guards that no call can reach, and says why; they stay.
// `optimizer: true` is for what has too many variables to compile without.
//
// Arguments, if any: only mutants whose name contains one of them. The names are printed.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

// Each edit: what is broken, then pairs of text and replacement.
const SUITES = [
  {
    file: "ModelKeys.sol",
    optimizer: true,
    tests: ["test/ModelKeys.t.sol", "test/InferenceVerifier.t.sol"],
    guards: true,
    lines: [/^ *header\[\d+\] \+?= /, /^ *_pointers\[modelId\] = /, /^ *emit /],
    edits: [
      ["any SRS flag passes", ["uint8(srs[0]) > 1 || ", ""]],
      ["small k of an SRS pass", ["k < MIN_K || k > MAX_K", "k > MAX_K"]],
      ["large k of an SRS pass", [" || k > MAX_K", ""]],
      ["k = 4 fails", ["k < MIN_K || k > MAX_K", "k <= MIN_K || k > MAX_K"]],
      ["k = 24 fails", ["k > MAX_K", "k >= MAX_K"]],
      ["SRS data of any length pass", [" || srs.length != AT_SPAN + ROW_BYTES * (k - MIN_K + 1)", ""]],
      ["the last point of the SRS is not checked", ["cursor < srs.length;", "cursor < srs.length - 64;"]],
      ["the first point of the SRS is not checked", ["uint256 cursor = AT_SPAN;", "uint256 cursor = AT_SPAN + 64;"]],
      ["the generators are not in the SRS's id", ["uint256(1), uint256(2), G2_X1, G2_X0, G2_Y1, G2_Y0, ", ""]],
      ["never insecure", ["insecure = uint8(srs[0]) == 1;", "insecure = false;"]],
      ["always insecure", ["insecure = uint8(srs[0]) == 1;", "insecure = true;"]],
      ["the SRS's digest is its id", ["srsDigest = keccak256(srs);", "srsDigest = keccak256(abi.encodePacked(tau));"]],
      ["any k passes", ["SRS_K = k;", "SRS_K = MAX_K;"]],
      ["an empty revert is an answer", ["or(iszero(returndatasize()), eq(mload(0x00), outOfGas))", "eq(mload(0x00), outOfGas)"]],
      ["a lack of gas is an answer", ["or(iszero(returndatasize()), eq(mload(0x00), outOfGas))", "iszero(returndatasize())"]],
      ["a true claim without data starves", ["!ok && starved", "starved"]],
      ["tryVerify calls itself", ["let data := add(copy, 0x20)", "let data := add(copy, 0x20) selector := mload(data)"]],
      ["tryVerify is always true", ["return ok;", "return true;"]],
      ["keys are written again", ["if (_pointers[modelId] != address(0)) return modelId;", ""]],
      ["the program is not in the id", ["keccak256(key[:weightsAt])", "bytes32(0)"]],
      ["the weights are not in the id", ["keccak256(key[weightsAt:])", "bytes32(0)"]],
      ["stumps of programs pass", ["key.length < wordsAt + 36 || ", ""]],
      ["another program domain passes", [" || bytes20(key[:20]) != PROGRAM_DOMAIN", ""]],
      ["another version passes", ["uint16(bytes2(key[20:22])) != version || ", ""]],
      ["another tag passes", [" || bytes4(key[22:26]) != tag", ""]],
      ["small k of a key pass", ["k < MIN_K || k > SRS_K", "k > SRS_K"]],
      ["large k of a key pass", [" || k > SRS_K", ""]],
      ["the greatest k fails", ["k > SRS_K", "k >= SRS_K"]],
      ["keys of a real SRS pass", ["uint8(key[59]) != (insecure ? 1 : 0)", "uint8(key[59]) > (insecure ? 1 : 0)"]],
      ["keys of a development SRS pass", ["uint8(key[59]) != (insecure ? 1 : 0)", "uint8(key[59]) < (insecure ? 1 : 0)"]],
      ["another count of fixed columns passes", ["uint32(bytes4(key[60:64])) != fixedCommitments\n                || ", ""]],
      ["another count of copy columns passes",
        ["\n                || uint32(bytes4(key[permutationAt - 4:permutationAt])) != PERMUTATION_COMMITMENTS", ""]],
      ["fixed commitments are not checked", ["_checkPoints(key, AT_FIXED, fixedCommitments, 0, true);", ""]],
      ["the last fixed commitment is not checked", ["fixedCommitments, 0, true)", "fixedCommitments - 1, 0, true)"]],
      ["fixed columns of zeros fail", ["fixedCommitments, 0, true)", "fixedCommitments, 0, false)"]],
      ["copy commitments are not checked",
        ["_checkPoints(key, permutationAt, PERMUTATION_COMMITMENTS, fixedCommitments, true);", ""]],
      ["the last copy commitment is not checked",
        ["PERMUTATION_COMMITMENTS, fixedCommitments, true)", "PERMUTATION_COMMITMENTS - 1, fixedCommitments, true)"]],
      ["copy columns of zeros fail", ["fixedCommitments, true)", "fixedCommitments, false)"]],
      ["the order passes as a digest", ["wordsAt + 36])) >= FR", "wordsAt + 36])) > FR"]],
      ["any count of words passes", ["uint32(bytes4(key[wordsAt:wordsAt + 4])) != words || ", ""]],
      ["more words than rows pass", [" || words >= 1 << k", ""]],
      ["as many words as rows pass", ["words >= 1 << k", "words > 1 << k"]],
      ["stumps of weights pass", ["key.length < cursor + 25 || ", ""]],
      ["another weights domain passes", [" || bytes20(key[cursor:cursor + 20]) != WEIGHTS_DOMAIN", ""]],
      ["any secret flag passes", ["secret > 1 || ", ""]],
      ["any count of lanes passes", [" || key.length != cursor + 25 + 64 * lanes", ""]],
      ["trailing bytes pass", ["key.length != cursor + 25 + 64 * lanes", "key.length < cursor + 25 + 64 * lanes"]],
      ["no lanes pass", ["lanes == 0 || ", ""]],
      ["many lanes pass", [" || lanes > MAX_LANES", ""]],
      ["256 lanes fail", ["lanes > MAX_LANES", "lanes >= MAX_LANES"]],
      ["lanes are not checked", ["_checkPoints(key, cursor + 25, lanes, fixed", "_checkPoints(key, cursor + 25, 0, fixed"]],
      ["secret lanes of zeros pass", ["PERMUTATION_COMMITMENTS, secret == 0)", "PERMUTATION_COMMITMENTS, true)"]],
      ["public lanes of zeros fail", ["PERMUTATION_COMMITMENTS, secret == 0)", "PERMUTATION_COMMITMENTS, false)"]],
      ["lanes are counted from 0", ["lanes, fixedCommitments + PERMUTATION_COMMITMENTS,", "lanes, 0,"]],
      ["no axes pass", ["rank == 0 || ", ""]],
      ["many axes pass", [" || rank > MAX_AXES", ""]],
      ["8 axes fail", ["rank > MAX_AXES", "rank >= MAX_AXES"]],
      ["no elements pass", ["t.elements == 0 || ", ""]],
      ["many elements pass", [" || t.elements > MAX_ELEMENTS", ""]],
      ["2^26 elements fail", ["t.elements > MAX_ELEMENTS", "t.elements >= MAX_ELEMENTS"]],
      ["a scale of zero passes", ["scale == 0 || ", ""]],
      ["scales that are no positive number pass", [" || scale >= 0x7ff0000000000000", ""]],
      ["infinite scales pass", ["scale >= 0x7ff0", "scale > 0x7ff0"]],
      ["ranges without elements pass", ["lo > hi || ", ""]],
      ["ranges of one element fail", ["lo > hi || ", "lo >= hi || "]],
      ["any range passes", [" || !fits", ""]],
      ["65536 passes", ["hi < 65536", "hi <= 65536"]],
      ["65535 fails", ["hi < 65536", "hi < 65535"]],
      ["-32769 passes", ["lo >= -32768", "lo >= -32769"]],
      ["-32768 fails", ["lo >= -32768", "lo > -32768"]],
      ["32768 passes with a sign", ["hi < 32768", "hi <= 32768"]],
      ["32767 fails", ["hi < 32768", "hi < 32767"]],
      ["never a sign", ["t.signed = lo < 0;", ""]],
      ["always a sign", ["t.signed = lo < 0;", "t.signed = lo <= 0;"]],
      ["256 in a byte", ["hi < 256)", "hi <= 256)"]],
      ["255 in two bytes", ["hi < 256)", "hi < 255)"]],
      ["-129 in a byte", ["lo >= -128 ", "lo >= -129 "]],
      ["-128 in two bytes", ["lo >= -128 ", "lo > -128 "]],
      ["128 in a byte with a sign", ["hi < 128)", "hi <= 128)"]],
      ["127 in two bytes", ["hi < 128)", "hi < 127)"]],
      ["words hold one element more", ["31 / t.elementBytes;", "32 / t.elementBytes;"]],
      ["a last word is not counted", ["(t.elements + perWord - 1) / perWord", "t.elements / perWord"]],
      ["a word too many", ["(t.elements + perWord - 1) / perWord", "(t.elements + perWord) / perWord"]],
      ["another root", ["uint256 i = k; i < ROOT_K", "uint256 i = k + 1; i < ROOT_K"]],
      ["another number of random rows", ["UNUSABLE_ROWS = 6", "UNUSABLE_ROWS = 5"]],
      ["the input's encoding is the output's", ["tensor = _tensor(key, tensor.end);", ""]],
      ["masks without a sign", ["if (!t.signed) return (length, chunk, 0);", ""]],
      ["masks of one element", ["mask = (mask << (8 * t.elementBytes)) | sign;", "mask = sign;"]],
      ["large elements with the sign of small ones", ["? 0x80 : 0x8000", "? 0x80 : 0x80"]],
      ["words of 31 bytes", ["? 31 : 30", "? 31 : 31"]],
      ["the rows of k = 4", ["mul(sub(k, MIN_K), ROW_BYTES)", "0"]],
      ["the rows one byte early", ["add(AT_SPAN, 1)", "AT_SPAN"]],
      ["the link row is not stored", ["ROW_BYTES)\n        }\n    }", "sub(ROW_BYTES, 64))\n        }\n    }"]],
      ["headers of models that are not stored", ["if (pointer == address(0)) revert ModelNotStored(modelId);", ""]],
      ["the output's header is the input's", ["add(0x201, mul(0x20, ofOutput))", "0x201"]],
      ["the input's header is the output's", ["add(0x201, mul(0x20, ofOutput))", "0x221"]],
      ["headers one byte early", ["add(0x201,", "add(0x200,"]],
      ["given inputs pass", ["if (input.visibility == IS_GIVEN) revert KeyOutOfBounds();", ""]],
      ["any visibility passes", ["if (t.visibility > IS_GIVEN) revert KeyOutOfBounds();", ""]],
      ["given outputs fail", ["t.visibility > IS_GIVEN", "t.visibility >= IS_GIVEN"]],
      ["the output's words are not counted", ["_words(input) + _words(output)", "_words(input)"]],
      ["the input's words are not counted", ["_words(input) + _words(output)", "_words(output)"]],
      ["every tensor has words", ["if (t.visibility != IS_PUBLIC) return 0;", ""]],
      ["only committed tensors have no words", ["if (t.visibility != IS_PUBLIC) return 0;", "if (_isCommitted(t)) return 0;"]],
      ["only private tensors have no words", ["if (t.visibility != IS_PUBLIC) return 0;", "if (t.visibility == IS_PRIVATE) return 0;"]],
      ["fewer lanes than the program's pass", ["lanes != uint32(bytes4(key[cursor - 4:cursor]))", "lanes > uint32(bytes4(key[cursor - 4:cursor]))"]],
      ["more lanes than the program's pass", ["lanes != uint32(bytes4(key[cursor - 4:cursor]))", "lanes < uint32(bytes4(key[cursor - 4:cursor]))"]],
      ["given tensors have no header", ["t.visibility == IS_COMMITTED || t.visibility == IS_GIVEN", "t.visibility == IS_COMMITTED"]],
      ["committed tensors have no header", ["t.visibility == IS_COMMITTED || t.visibility == IS_GIVEN", "t.visibility == IS_GIVEN"]],
      ["private tensors have a header", ["t.visibility == IS_COMMITTED || t.visibility == IS_GIVEN", "t.visibility != IS_PUBLIC"]],
      ["every tensor has a header", ["if (!_isCommitted(t)) return 0;", ""]],
      ["headers without a domain", ['"inferproof/tensor-header/1", ', ""]],
      ["headers without the SRS", ['"inferproof/tensor-header/1", srsId, ', '"inferproof/tensor-header/1", ']],
      ["headers with the visibility", ["key[t.start:t.end]", "key[t.start - 1:t.end]"]],
      ["headers without the scale", ["key[t.start:t.end]", "key[t.start:t.end - 8]"]],
      ["tensors that are not public have bytes", ["if (t.visibility != IS_PUBLIC) return (_isCommitted(t) ? 64 : 0, 0, 0);", ""]],
      ["private tensors have a point", ["_isCommitted(t) ? 64 : 0", "64"]],
      ["committed tensors have no point", ["_isCommitted(t) ? 64 : 0", "0"]],
      ["the input is not a point of the link", ["(header[16] != 0 ? 1 : 0) + ", ""]],
      ["the output is not a point of the link", [" + (header[17] != 0 ? 1 : 0);", ";"]],
      ["no mask for an input", ["header[16] != 0 || tensor.visibility", "tensor.visibility"]],
      ["no mask for a given output", [" || tensor.visibility == IS_GIVEN ? 1 : 0", " ? 1 : 0"]],
      ["a mask for a fresh output", ["header[15] = header[16] != 0 || tensor.visibility == IS_GIVEN", "header[15] = header[14] != 0"]],
      ["data contracts that do something", ["hex\"80600a3d393df300\"", "hex\"80600a3d393df3fe\""]],
      ["infinity always passes", ["isInfinity ? !infinity : ", "isInfinity ? false : "]],
      ["infinity never passes", ["isInfinity ? !infinity : ", "isInfinity ? true : "]],
      ["x = 0 is infinity", ["x == 0 && y == 0", "x == 0"]],
      ["y = 0 is infinity", ["x == 0 && y == 0", "y == 0"]],
      ["points are not counted", ["InvalidKeyPoint(index + i)", "InvalidKeyPoint(index)"]],
      ["x is not reduced", ["return x < FQ && ", "return "]],
      ["y is not reduced", [" && y < FQ", ""]],
      ["not on the curve", [" && mulmod(y, y, FQ) == addmod(mulmod(x, mulmod(x, x, FQ), FQ), 3, FQ)", ""]],
      ["[tau]_2 at infinity passes", ["if (point[0] | point[1] | point[2] | point[3] == 0) return false;", ""]],
      ["any [tau]_2 passes", ["ok := staticcall(200000, 8, pair, 0xc0, 0x00, 0x20)", "pop(pair) ok := 1"]],
    ],
  },
  {
    file: "InferenceVerifier.sol",
    optimizer: true,
    tests: ["test/InferenceVerifier.t.sol", "test/Forger.t.sol", "test/InferenceLinks.t.sol"],
    guards: true,
    unreachable: [
      ["gt(mload(0x40), BASE)", "the compiler puts nothing into memory before; another one might"],
      ["product == 0", "a challenge in a set of less than 2^25 numbers has to be found"],
    ],
    lines: [
      // A constraint, a scalar of the opening, a value; the weights' column and T; the last two points.
      /^ *fold := /,
      /^ *mstore\(add\((SCALAR|keys), 0x/,
      /^ *value := addmod/,
      /^ *mstore\(0x[0-9a-f]{4}, /,
      // A challenge, and what comes of it.
      /^ *mstore\([A-Z0-9_]+, (mod|mulmod|addmod)\(/,
      /^ *state := /,
    ],
    edits: [
      ["each claim loads its key", ["if (same) return;", ""]],
      ["the first key serves all claims", ["same := eq(mload(KEY_ID), modelId)", "same := mload(KEY_ID)"]],
      ["the key before is forgotten", ["_addKey();\n        address pointer", "address pointer"]],
      ["scalars of a key are what was there", ["calldatacopy(scalars, calldatasize(), length)", ""]],
      ["stumps are sliced", ["proof.length < 4 || bytes4", "bytes4"]],
      ["any tag passes", [" || bytes4(proof[:4]) != PROOF_TAG", ""]],
      ["secret proofs have the length of public ones",
        ["mul(mload(KEY_SECRET), SPAN_BYTES)", "0"]],
      ["proofs with a link have the length of others", ["mul(iszero(iszero(mload(KEY_LINKS))), LINK_BYTES)", "0"]],
      ["proofs with a link are longer for each point", ["mul(iszero(iszero(mload(KEY_LINKS))), LINK_BYTES)", "mul(mload(KEY_LINKS), LINK_BYTES)"]],
      ["masked proofs have the length of others", ["shl(6, mload(KEY_MASKED)))", "0)"]],
      ["the mask is not read", ["calldatacopy(LINK_POINTS, source, 0x40)", ""]],
      ["the proof is read from the mask on", ["calldatacopy(LINK_POINTS, source, 0x40)\n                source := add(source, 0x40)", "calldatacopy(LINK_POINTS, source, 0x40)"]],
      ["the link's value is not read", ["calldatacopy(LINK_VALUE, source, 0x20)", ""]],
      ["the link's point is not read", ["calldatacopy(LINK_QUOTIENT, add(source, 0x20), 0x40)", ""]],
      ["the span proof is read from the link on", ["source := add(source, 0x60)", ""]],
      ["the link's point is not checked", ["_checkPoints(LINK_QUOTIENT, 1, POINTS + 1);", ""]],
      ["the link's value is not checked", ["_checkScalars(LINK_VALUE, 1, EVALUATIONS + 2);", ""]],
      ["mask and tensors are not checked", ["_checkPoints(LINK_POINTS, links, POINTS + 2);", ""]],
      ["the last tensor is not checked", ["_checkPoints(LINK_POINTS, links, ", "_checkPoints(LINK_POINTS, links - (links > 0 ? 1 : 0), "]],
      ["outputs stand first", ["mul(mload(KEY_MASKED), shl(6, sub(links, 1)))", "0"]],
      ["outputs stand last", ["mul(mload(KEY_MASKED), shl(6, sub(links, 1)))", "0x80"]],
      ["a committed output is not read", ["calldatacopy(add(LINK_POINTS, place), output.offset, 0x40)", ""]],
      ["a committed input is not read", ["calldatacopy(add(LINK_POINTS, 0x40), input.offset, 0x40)", ""]],
      ["the mask is not hashed", ["mcopy(cursor, LINK_POINTS, 0x40)\n                cursor := add(cursor, 0x40)", ""]],
      ["every tensor has words", ["if iszero(chunk) { length := 0 }", "if iszero(chunk) { chunk := 31 }"]],
      ["row 0 is missing where nothing is public", ["if eq(mload(WORDS_END), mload(WORDS)) {", "if 0 {"]],
      ["row 0 has a word of what was there", ["mstore(INSTANCE, 0)", ""]],
      ["the link's value is not hashed", ["mstore(add(last, 0x60), mload(LINK_VALUE))", "mstore(add(last, 0x60), 0)"]],
      ["the link's point is not hashed", ["mcopy(add(last, 0x80), LINK_QUOTIENT, 0x40)\n                length := 0xc0", "length := 0x80"]],
      ["the link proof is not hashed", ["length := 0xc0", ""]],
      ["the last opening point is not hashed", ["mcopy(add(last, 0x20), add(BACK, 0x40), 0x40)", ""]],
      ["the span proof's point is not hashed", ["mcopy(add(last, length), SPAN_POINT, 0x40)", ""]],
      ["points are not checked", ["_checkPoints(PROOF, FRONT_POINTS, 0);", ""]],
      ["the last point in front is not checked", ["_checkPoints(PROOF, FRONT_POINTS, 0);", "_checkPoints(PROOF, FRONT_POINTS - 1, 0);"]],
      ["evaluations are not checked", ["_checkScalars(EVALUATION, EVALUATIONS, 0);", ""]],
      ["the last evaluation is not checked", ["_checkScalars(EVALUATION, EVALUATIONS, 0);", "_checkScalars(EVALUATION, EVALUATIONS - 1, 0);"]],
      ["points at the back are not checked", ["_checkPoints(BACK, POINTS - FRONT_POINTS + secret, FRONT_POINTS);", ""]],
      ["T is not checked", ["_checkPoints(BACK, POINTS - FRONT_POINTS + secret, ", "_checkPoints(BACK, POINTS - FRONT_POINTS, "]],
      ["responses are not checked", ["_checkScalars(RESPONSE, 2 * secret, EVALUATIONS);", ""]],
      ["the last response is not checked", ["_checkScalars(RESPONSE, 2 * secret,", "_checkScalars(RESPONSE, secret,"]],
      ["not on the curve", ["iszero(and(onCurve, and(lt(x, q), lt(y, q))))", "iszero(and(lt(x, q), lt(y, q)))"]],
      ["x is not reduced", ["iszero(and(onCurve, and(lt(x, q), lt(y, q))))", "iszero(and(onCurve, lt(y, q)))"]],
      ["y is not reduced", ["iszero(and(onCurve, and(lt(x, q), lt(y, q))))", "iszero(and(onCurve, lt(x, q)))"]],
      ["infinity passes", ["iszero(and(onCurve, and(lt(x, q), lt(y, q))))", "and(iszero(and(onCurve, and(lt(x, q), lt(y, q)))), or(x, y))"]],
      ["the order passes as a scalar", ["iszero(lt(mload(cursor), r))", "gt(mload(cursor), r)"]],
      ["points are not counted", ["InvalidPoint(index + ", "InvalidPoint("]],
      ["scalars are not counted", ["InvalidScalar(index + ", "InvalidScalar("]],
      ["the domain is not hashed", ["mstore(add(start, 0x20), DOMAIN)", ""]],
      ["the model is not hashed", ["mstore(cursor, modelId)", ""]],
      ["the context is not hashed", ["mstore(add(cursor, 0x20), context)", ""]],
      ["the input's length is not hashed", ["mstore(add(cursor, 0x40), shl(224, input.length))", ""]],
      ["the input is not hashed", ["calldatacopy(add(cursor, 0x44), input.offset, input.length)", ""]],
      ["the output's length is not hashed", ["mstore(cursor, shl(224, output.length))", ""]],
      ["the output is not hashed", ["calldatacopy(add(cursor, 4), output.offset, output.length)", ""]],
      ["the digest is not hashed", ["mstore(cursor, mload(KEY_DIGEST))", "mstore(cursor, 0)"]],
      ["the first points are not hashed", ["mcopy(words, PROOF, 320)", ""]],
      ["the input's words are not used", ["words = _pack(inputs, input.length, KEY_INPUT_CHUNK, words);", ""]],
      ["the output's words are not used", ["words = _pack(outputs, output.length, KEY_OUTPUT_CHUNK, words);", ""]],
      ["the last of a public proof is not hashed", ["case 0 { state := keccak256(last, length) }", "case 0 {}"]],
      ["equations are added up by 1", ["mstore(MERGE, mod(again(state), r))", "mstore(MERGE, 1)"]],
      ["the weights' equation is not checked", ["mstore(MERGE, mod(again(state), r))", "mstore(MERGE, 0)"]],
      ["claims are added up by 1", ["mstore(FACTOR, mod(batch, r))", "mstore(FACTOR, 1)"]],
      ["further claims are not checked", ["mstore(FACTOR, mod(batch, r))", "mstore(FACTOR, 0)"]],
      ["a claim's factor depends on that claim only", ["mstore(FACTOR, mod(batch, r))", "mstore(FACTOR, mod(state, r))"]],
      ["a claim's factor does not depend on those before", ["mstore(0x00, batch)", "mstore(0x00, 0)"]],
      ["a claim's factor does not depend on it", ["mstore(0x20, state)", "mstore(0x20, 0)"]],
      ["claims are forgotten", ["mstore(BATCH, batch)", ""]],
      ["numbers without sign bits", ["addmod(xor(word, mask), minus, r)", "addmod(word, minus, r)"]],
      ["numbers without their bias", ["addmod(xor(word, mask), minus, r)", "xor(word, mask)"]],
      ["the last word is not filled with zeros", ["if lt(left, chunk) {", "if 0 {"]],
      ["another n", ["for { let i := mload(KEY_K) } i", "for { let i := sub(mload(KEY_K), 1) } i"]],
      ["one random row less", ["for { let i := 1 } lt(i, 6)", "for { let i := 2 } lt(i, 6)"]],
      ["no sum of the random rows", ["mstore(L_BLIND, mulmod(sum, scale, r))", "mstore(L_BLIND, 0)"]],
      ["public weights for secret ones", ["let keys := mload(KEY_SCALARS)\n            if mload(KEY_SECRET) {", "let keys := mload(KEY_SCALARS)\n            if 0 {"]],
      ["no first response", ["mstore(keys, addmod(mload(keys), mulmod(merge, mload(RESPONSE), r), r))", ""]],
      ["no second response", ["mstore(second, addmod(mload(second), mulmod(merge, mload(add(RESPONSE, 0x20)), r), r))", ""]],
      ["no challenge of the span", ["merge := mulmod(sub(r, merge), mload(SPAN_CHALLENGE), r)", "merge := sub(r, merge)"]],
      ["no lanes", ["mstore(cursor, addmod(mload(cursor), power, r))", ""]],
      ["only the first lane", ["let end := mload(KEY_END) } lt(cursor, end)", "let end := add(cursor, 0x20) } lt(cursor, end)"]],
      ["all lanes alike", ["power := mulmod(power, channel, r)", ""]],
      ["nothing of the link in the weights' equation", ["// - R^W nu [L_2]\n            if mload(KEY_LINKS) {", "if 0 {"]],
      ["the link row is the span's", ["let row := add(keys, 0x40)", "let row := add(keys, 0x20)"]],
      ["the link is at R^0", ["mulmod(power, mload(LINK_VALUE), r)", "mulmod(sub(r, merge), mload(LINK_VALUE), r)"]],
      ["the link's equation is not checked", ["mulmod(mulmod(merge, merge, r), mload(FACTOR), r)", "0"]],
      ["the link's equation has the factor of the weights'", ["mulmod(mulmod(merge, merge, r), mload(FACTOR), r)", "mulmod(merge, mload(FACTOR), r)"]],
      ["the link's equation has the factor of the opening's", ["mulmod(mulmod(merge, merge, r), mload(FACTOR), r)", "mload(FACTOR)"]],
      ["the link's equation is not of its claim", ["mulmod(mulmod(merge, merge, r), mload(FACTOR), r)", "mulmod(merge, merge, r)"]],
      ["the link is opened to nothing", ["mstore(GENERATOR, addmod(mload(GENERATOR), sub(r, mulmod(factor, mload(LINK_VALUE), r)), r))", ""]],
      ["the link is opened at another point", ["mstore(LINK_LEFT, mulmod(factor, mload(POSITION), r))", "mstore(LINK_LEFT, factor)"]],
      ["the link's first two points alike", ["factor := mulmod(factor, mload(R), r)", ""]],
      ["the link's last two points alike", ["mstore(add(LINK_SCALAR, 0x40), mulmod(factor, mload(R), r))", "mstore(add(LINK_SCALAR, 0x40), factor)"]],
      ["mask and tensors are not added", ["_sum(SUM, LINK_POINTS, LINK_SCALAR, links);", ""]],
      ["the last tensor is not added", ["_sum(SUM, LINK_POINTS, LINK_SCALAR, links);", "_sum(SUM, LINK_POINTS, LINK_SCALAR, links - 1);"]],
      ["the link's point is not added", ["_sum(SUM, LINK_QUOTIENT, 0x1d20, 1);", ""]],
      ["the link has no left side", ["_sum(LEFT, LINK_QUOTIENT, LINK_LEFT, 1);", ""]],
      ["T is not added", ["POINTS - FRONT_POINTS + secret);\n        // The", "POINTS - FRONT_POINTS);\n        // The"]],
      ["no left side", ["_sum(LEFT, BACK + 0x40, FACTOR, 1);", ""]],
      ["nothing of the proof is added", ["_sum(SUM, PROOF, SCALAR, FRONT_POINTS);", ""]],
      ["nothing of the key is added", ["if (end != 0) _sum(", "if (end == 1) _sum("]],
      ["the generator is not added", ["_sum(SUM, GENERATOR_POINT, GENERATOR, 1);", ""]],
      ["zero counts as one", ["if iszero(scalar) { continue }", ""]],
      ["one counts as two", ["if gt(scalar, 1) {", "if eq(scalar, 1) { scalar := 2 } if gt(scalar, 1) {"]],
      ["a product may fail", ["ok := and(ok, staticcall(gas(), 7, point, 0x60, point, 0x40))", "pop(staticcall(gas(), 7, point, 0x60, point, 0x40))"]],
      ["a sum may fail", ["ok := and(ok, staticcall(gas(), 6, sum, 0x80, sum, 0x40))", "pop(staticcall(gas(), 6, sum, 0x80, sum, 0x40))"]],
      ["no negation", ["mod(sub(FQ, mload(add(SUM, 0x20))), FQ)", "mload(add(SUM, 0x20))"]],
      ["infinity is not reduced", ["mod(sub(FQ, mload(add(SUM, 0x20))), FQ)", "sub(FQ, mload(add(SUM, 0x20)))"]],
    ],
  },
  {
    file: "ModelRegistry.sol",
    tests: ["test/ModelRegistry.t.sol"],
    guards: true,
    edits: [
      ["empty names pass", ["length == 0 || ", ""]],
      ["names of 64 bytes fail", ["length > MAX_NAME", "length >= MAX_NAME"]],
      ["entries are shared by owners", ["record = _records[owner][modelId];", "owner; record = _records[address(0)][modelId];"],
        ["Record storage record = _records[msg.sender][modelId];", "Record storage record = _records[address(0)][modelId];"]],
      ["lines are shared by owners", ["_lines[msg.sender][modelId] = ", "_lines[address(0)][modelId] = "],
        ["_lines[msg.sender][old.first]", "_lines[address(0)][old.first]"],
        ["name: _lines[owner]", "name: _lines[address(0)]"],
        ["return _lines[owner]", "return _lines[address(0)]"]],
      ["no link forth", ["old.next = modelId;", ""]],
      ["no link back", ["record.previous = previous;", "previous;"]],
      ["the line keeps its old head", ["line.latest = modelId;", ""]],
      ["a version starts a line", ["_add(modelId, old.first, previous);", "_add(modelId, modelId, previous);"]],
      ["no time", ["record.registeredAt = uint64(block.timestamp);", ""]],
      ["deprecation is not kept", ["record.deprecated = true;", ""]],
      ["a new line's key is not stored", ["modelId = verifier.storeKey(key);\n        _start", "modelId = keccak256(key);\n        _start"]],
      ["a version's key is not stored", ["modelId = verifier.storeKey(key);\n        _continue", "modelId = keccak256(key);\n        _continue"]],
      ["chains are not checked", ["InferenceChain.check(verifier, models);", ""]],
      ["a chain is its first segment", ["return InferenceChain.id(models);", "return models[0];"]],
      ["a new line's chain is not checked", ["chainId = _checkedChain(models);\n        _start", "chainId = InferenceChain.id(models);\n        _start"]],
      ["a version's chain is not checked", ["chainId = _checkedChain(models);\n        _continue", "chainId = InferenceChain.id(models);\n        _continue"]],
      ["a new line's chain is a version", ["_start(chainId, name);", "_continue(chainId, keccak256(bytes(name)));"]],
    ],
  },
  {
    file: "InferenceChain.sol",
    tests: ["test/InferenceChain.t.sol", "test/ModelRegistry.t.sol"],
    optimizer: true,
    guards: true,
    edits: [
      ["no domain", ['"inferproof/chain/1", ', ""]],
      ["no number of models", ["uint32(models.length), ", ""]],
      ["a wide number of models", ["uint32(models.length), ", "models.length, "]],
      ["no models", [", models));", "));"]],
      ["what is not committed fits", ["header == 0 || ", ""]],
      ["any header fits", [" || header != keys.tensorHeader(models[i], false)", ""]],
      ["inputs fit inputs", ["header = keys.tensorHeader(models[i], true);", "header = keys.tensorHeader(models[i], false);"]],
      ["the first output is an input", ["keys.tensorHeader(models[0], true)", "keys.tensorHeader(models[0], false)"]],
      ["only the first boundary is checked", ["header = keys.tensorHeader(models[i], true);", "break;"]],
      ["the first boundary is not checked", ["uint256 i = 1; i < models.length", "uint256 i = 2; i < models.length"]],
      ["boundaries are counted from 1", ["UnfitSegments(i - 1)", "UnfitSegments(i)"]],
      ["segments need not fit", ["check(IModelKeys(address(verifier)), models);", ""]],
      ["any number of boundaries", ["boundaries.length + 1 != segments || ", ""]],
      ["any number of proofs", [" || proofs.length != segments", ""]],
      ["too many boundaries pass", ["boundaries.length + 1 != segments", "boundaries.length + 1 < segments"]],
      ["too many proofs pass", ["proofs.length != segments", "proofs.length < segments"]],
      ["the last segment is not proved", ["i < segments; ++i", "i < segments - 1; ++i"], ["new Inference[](segments)", "new Inference[](segments - 1)"]],
      ["all segments of the first model", ["modelId: models[i]", "modelId: models[0]"]],
      ["all segments take the input", ["i == 0 ? input : boundaries[i - 1]", "input"]],
      ["all segments give the output", ["i + 1 == segments ? output : boundaries[i]", "output"]],
      ["no context", ["context: context", "context: 0"]],
      ["all segments have the first proof", ["proof: proofs[i]", "proof: proofs[0]"]],
      ["nothing is verified", ["verifier.verifyBatch(claims);", ""]],
    ],
  },
  {
    file: "ChainVerifier.sol",
    tests: ["test/InferenceChain.t.sol"],
    optimizer: true,
    guards: true,
    edits: [
      ["the chain is whatever it is", ["verify(verifier, chainId, models", "verify(verifier, InferenceChain.id(models), models"]],
      ["an id of one model", ["return InferenceChain.id(models);", "return models[0];"]],
    ],
  },
  {
    file: "InferenceTensor.sol",
    tests: ["test/InferenceChain.t.sol"],
    optimizer: true,
    guards: true,
    edits: [
      ["no domain", ['"inferproof/tensor/1", ', ""]],
      ["no header", ["header, commitment", "commitment"]],
      ["no point", ["header, commitment", "header"]],
    ],
  },
  {
    file: "InferenceContext.sol",
    tests: ["test/InferenceContext.t.sol"],
    guards: true,
    edits: [
      ["no type hash", ["abi.encode(TYPEHASH, ", "abi.encode("]],
      ["another order", ["consumer, request, beneficiary, expiry))", "consumer, request, expiry, beneficiary))"]],
      ["chain not bound", ["block.chainid, address(this)", "uint256(0), address(this)"]],
      ["contract not bound", ["block.chainid, address(this)", "block.chainid, address(0)"]],
    ],
  },
  {
    file: "examples/InferenceEscrow.sol",
    tests: ["test/InferenceEscrow.t.sol"],
    guards: true,
    edits: [
      ["the proof is not checked", ["verifier.verify(open.modelId, input, output, context, proof);", "context; proof;"]],
      ["another model is checked", ["verifier.verify(open.modelId,", 'verifier.verify("another model",']],
      ["payee not bound", ["here(id, payee,", "here(id, address(0),"]],
      ["request not bound", ["here(id, payee,", "here(bytes32(0), payee,"]],
      ["deadline not bound", ["here(id, payee, _requests[id].deadline)", "here(id, payee, 0)"]],
      ["ids repeat", ["_requested++", "_requested"]],
      ["ids do not depend on the requester", ["address(this), msg.sender, ", "address(this), address(0), "]],
      ["ids do not depend on the contract", ["block.chainid, address(this), ", "block.chainid, address(0), "]],
      ["ids do not depend on the chain", ["block.chainid, address(this), ", "uint256(1), address(this), "]],
      ["requests in the last second fail", ["block.timestamp > deadline", "block.timestamp >= deadline"]],
      ["deliveries in the last second fail", ["block.timestamp > open.deadline", "block.timestamp >= open.deadline"]],
      ["refunds in the last second", ["block.timestamp <= open.deadline", "block.timestamp < open.deadline"]],
      ["delivered after the payment", ["open.status = Status.Delivered;", ""],
        ["_pay(payee, open.reward);", "_pay(payee, open.reward); open.status = Status.Delivered;"]],
      ["refunded after the payment", ["open.status = Status.Refunded;", ""],
        ["_pay(open.requester, open.reward);", "_pay(open.requester, open.reward); open.status = Status.Refunded;"]],
      ["never delivered", ["open.status = Status.Delivered;", ""]],
      ["never refunded", ["open.status = Status.Refunded;", ""]],
      ["the sender is paid", ["_pay(payee, open.reward);", "_pay(msg.sender, open.reward);"]],
      ["all money is paid to a payee", ["_pay(payee, open.reward);", "_pay(payee, address(this).balance);"]],
      ["all money is refunded", ["_pay(open.requester, open.reward);", "_pay(open.requester, address(this).balance);"]],
      ["no output hash", ["open.outputHash = keccak256(output);", ""]],
    ],
  },
  {
    file: "examples/ScoreGate.sol",
    tests: ["test/ScoreGate.t.sol"],
    guards: true,
    edits: [
      ["the proof is not checked", ["verifier.verify(modelId, input, output, contextOf(msg.sender, expiry), proof);", "proof;"]],
      ["another model is checked", ["verifier.verify(modelId,", 'verifier.verify("model",']],
      ["account not bound", ["bytes32(nonces[account]), account,", "bytes32(nonces[account]), address(0),"]],
      ["nonce not bound", ["bytes32(nonces[account]), account,", "bytes32(0), account,"]],
      ["expiry not bound", ["account, expiry);", "account, 0 * expiry);"]],
      ["nonces repeat", ["nonces[msg.sender]++", "nonces[msg.sender]"]],
      ["nonces are shared", ["nonces[msg.sender]++", "nonces[address(0)]++"]],
      ["the last second fails", ["block.timestamp > expiry", "block.timestamp >= expiry"]],
      ["the threshold passes", ["score <= threshold", "score < threshold"]],
      ["compared without sign", ["score <= threshold", "uint16(score) <= uint16(threshold)"]],
      ["small elements without sign", ["return int8(uint8(output[outputIndex]));", "return int16(uint16(uint8(output[outputIndex])));"]],
      ["large elements at half the place", ["uint256(outputIndex) * 2", "uint256(outputIndex) * 1"]],
      ["shorter outputs pass", ["output.length != expected", "output.length > expected"]],
      ["longer outputs pass", ["output.length != expected", "output.length < expected"]],
      ["low thresholds pass", ["threshold_ < low || ", "low == high || "]],
      ["the lowest threshold fails", ["threshold_ < low", "threshold_ <= low"]],
      ["high thresholds pass", [" || threshold_ >= high", " || low == high"]],
      ["the highest score as threshold passes", ["threshold_ >= high", "threshold_ > high"]],
      ["elements of 1 byte fail", ["elementBytes_ != 1 && ", ""]],
      ["elements of 2 bytes fail", [" && elementBytes_ != 2", ""]],
      ["an index at the end passes", ["outputIndex_ >= outputElements_", "outputIndex_ > outputElements_"]],
    ],
  },
];

/** The text with comments and strings blanked, so that positions stay. */
function code(text) {
  return text.replace(/\/\/[^\n]*|\/\*.*?\*\/|"[^"\n]*"/gs, (found) => found.replace(/[^\n]/g, " "));
}

/** Start and end of every `if (..) revert ..;`, in Yul `if .. { revert(0, 0) }`. Throws if a revert or require is anywhere else. */
function guards(text, file) {
  const bare = code(text);
  const found = [];
  for (const match of bare.matchAll(/\bif \(/g)) {
    let end = match.index + match[0].length;
    for (let depth = 1; depth > 0; end++) depth += { "(": 1, ")": -1 }[bare[end]] ?? 0;
    const action = /^\s*(revert\b[^;]*;|\{\s*revert\b[^;]*;\s*\})/.exec(bare.slice(end));
    if (action) found.push({ start: match.index, end: end + action[0].length });
  }
  for (const match of bare.matchAll(/\bif [a-z]+\([^{}]*\{ revert\(0, 0\) \}/g)) {
    found.push({ start: match.index, end: match.index + match[0].length });
  }
  for (const match of bare.matchAll(/\b(revert|require|assert)\b/g)) {
    if (!found.some(({ start, end }) => start < match.index && match.index < end)) {
      const line = text.slice(0, match.index).split("\n").length;
      throw new Error(`${file}:${line}: write this check as "if (..) revert ..;", so that it can be tested here`);
    }
  }
  return found;
}

/** Start and end of every line that matches. Throws if a pattern matches none. */
function lines(text, file, pattern) {
  const found = [];
  let start = 0;
  for (const line of text.split("\n")) {
    if (pattern.test(line)) found.push({ start, end: start + line.length });
    start += line.length + 1;
  }
  if (found.length === 0) throw new Error(`${file}: no line matches ${pattern}: bring the table up to date`);
  return found;
}

/** All mutants of a suite: a name and the whole text of the file. */
function mutants({ file, guards: automatic, unreachable = [], lines: patterns = [], edits }) {
  const text = readFileSync(join(ROOT, file), "utf8");
  const made = [];
  let all = automatic ? guards(text, file) : [];
  for (const [condition] of unreachable) {
    const reachable = all.filter(({ start, end }) => !text.slice(start, end).includes(condition));
    if (reachable.length !== all.length - 1) throw new Error(`${file}: not one guard has ${condition}: bring the table up to date`);
    all = reachable;
  }
  for (const { start, end } of [...all, ...patterns.flatMap((pattern) => lines(text, file, pattern))]) {
    const line = text.slice(0, start).split("\n").length;
    const removed = text.slice(start, end).trim().replace(/\s+/g, " ");
    made.push({ name: `${file}:${line} without ${removed.slice(0, 120)}`, text: text.slice(0, start) + text.slice(end) });
  }
  for (const [what, ...pairs] of edits) {
    let mutated = text;
    for (const [from, to] of pairs) {
      const times = mutated.split(from).length - 1;
      if (times !== 1) throw new Error(`${file}, "${what}": ${JSON.stringify(from)} occurs ${times} times: bring the table up to date`);
      mutated = mutated.replace(from, () => to);
    }
    made.push({ name: `${file}: ${what}`, text: mutated });
  }
  return made;
}

/** A file of the package and all that it imports. */
function closure(path, seen = new Set()) {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, imported] of readFileSync(join(ROOT, path), "utf8").matchAll(/^import [^;]*"(\.[^"]*)";/gms)) {
    closure(normalize(join(dirname(path), imported)), seen);
  }
  return seen;
}

/** A copy of what one suite needs and nothing else: it compiles in a moment. */
function copy(suite, folder) {
  const sources = new Set(suite.tests.flatMap((test) => [...closure(test)]));
  for (const path of [...sources, "test/fixtures", "foundry.toml", "remappings.txt", "package.json", "scripts/solc"]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

/** Runs all tests in a copy, or up to the first that fails. Returns the names of tests that passed and that failed. */
function run(folder, { optimizer = false }) {
  const forge = join(ROOT, "scripts/forge");
  const env = { ...process.env, FOUNDRY_PROFILE: "quick", FOUNDRY_OPTIMIZER: `${optimizer}` };
  const options = { cwd: folder, env, encoding: "utf8", maxBuffer: 1 << 26 };
  const done = spawnSync(process.execPath, [forge, "test", "--json", "--fail-fast"], options);
  let results;
  try {
    results = JSON.parse(done.stdout);
  } catch {
    throw new Error(`forge gave no results:\n${done.stdout}\n${done.stderr}\n${done.error ?? ""}`);
  }
  const tests = Object.values(results).flatMap((one) => Object.entries(one.test_results));
  const named = (status) => tests.filter(([, result]) => result.status === status).map(([name]) => name.split("(")[0]);
  const outcome = { passed: named("Success"), failed: named("Failure") };
  if ((done.status === 0) !== (outcome.failed.length === 0)) throw new Error(`forge exits with ${done.status}: ${outcome.failed}`);
  return outcome;
}

/** Runs every wanted mutant of a suite. Returns the names of those that no test noticed, and how many ran. */
function hunt(suite, wanted) {
  const chosen = mutants(suite).filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
  if (chosen.length === 0) return { survivors: [], ran: 0 };
  const folder = mkdtempSync(join(tmpdir(), "mutants-"));
  const survivors = [];
  try {
    copy(suite, folder);
    const before = run(folder, suite);
    if (before.failed.length > 0 || before.passed.length === 0) throw new Error(`${suite.tests} fails as it is: ${before.failed}`);
    for (const { name, text } of chosen) {
      writeFileSync(join(folder, suite.file), text);
      const { failed } = run(folder, suite);
      console.log(`${failed.length > 0 ? "ok      " : "SURVIVED"} ${name}${failed.length > 0 ? ` (${failed[0]})` : ""}`);
      if (failed.length === 0) survivors.push(name);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { survivors, ran: chosen.length };
}

try {
  const wanted = process.argv.slice(2);
  const results = SUITES.map((suite) => hunt(suite, wanted));
  const survivors = results.flatMap((one) => one.survivors);
  const ran = results.reduce((sum, one) => sum + one.ran, 0);
  console.log(`${ran - survivors.length} of ${ran} mutants noticed by the tests`);
  if (survivors.length > 0 || ran === 0) process.exitCode = 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
