// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier} from "../IInferenceVerifier.sol";
import {InferenceContext} from "../InferenceContext.sol";

/// @title Lets an account pass if a model gives it a score above a threshold
/// @notice The score is one element of the output of one model, proved. A proof serves one account once.
/// @dev An example. It does not ask where the input comes from: the account chooses it. A real gate also checks that, for instance
/// by a signature on the input. Elements are read with their sign: of a model whose outputs are never negative and can exceed 127
/// (or 32767), the highest scores look negative, and are refused. A verifier whose `insecure()` is true must not guard anything of
/// value.
contract ScoreGate {
    /// @notice How an account passed.
    /// @param score The score.
    /// @param passedAt When, in Unix time. Zero if the account never passed.
    /// @param inputHash Keccak-256 of the input's bytes.
    struct Pass {
        int16 score;
        uint64 passedAt;
        bytes32 inputHash;
    }

    /// @notice There is no code at the verifier's address.
    error NoVerifier(address verifier);
    /// @notice An element has 1 or 2 bytes.
    error InvalidElementBytes(uint256 got);
    /// @notice The output has `elements` elements, counted from 0.
    error InvalidIndex(uint256 elements, uint256 index);
    /// @notice Every score or no score of this size is above the threshold.
    error IdleThreshold(int16 threshold);
    /// @notice The last second for this proof has passed.
    error Expired(uint256 expiry);
    /// @notice The output has `expected` bytes.
    error InvalidOutputLength(uint256 expected, uint256 got);
    /// @notice The score is not above the threshold.
    error ScoreTooLow(int16 threshold, int16 score);

    /// @notice `account` passed with its proof number `nonce`, counted from 0.
    event Passed(address indexed account, uint256 indexed nonce, bytes32 inputHash, int16 score);

    /// @notice Checks the proofs.
    IInferenceVerifier public immutable verifier;
    /// @notice The model that gives the score.
    bytes32 public immutable modelId;
    /// @notice How many elements its output has.
    uint32 public immutable outputElements;
    /// @notice Which element is the score, counted from 0.
    uint32 public immutable outputIndex;
    /// @notice How many bytes an element has.
    uint8 public immutable elementBytes;
    /// @notice A score passes if it is greater.
    int16 public immutable threshold;

    /// @notice How often an account has passed: the request that its next proof must name.
    mapping(address => uint256) public nonces;
    /// @dev The last time each account passed.
    mapping(address => Pass) private _passes;

    /// @dev `outputElements_` and `elementBytes_` have to be the model's own. Every call reverts on the output's length if their
    /// product differs from the model's; that each by itself is right is for whoever deploys this to check.
    /// @param verifier_ The verifier to trust.
    /// @param modelId_ The model that gives the score.
    /// @param outputElements_ How many elements its output has.
    /// @param outputIndex_ Which one is the score.
    /// @param elementBytes_ How many bytes an element has: 1 or 2.
    /// @param threshold_ A score passes if it is greater.
    constructor(
        IInferenceVerifier verifier_,
        bytes32 modelId_,
        uint32 outputElements_,
        uint32 outputIndex_,
        uint8 elementBytes_,
        int16 threshold_
    ) {
        if (address(verifier_).code.length == 0) revert NoVerifier(address(verifier_));
        if (elementBytes_ != 1 && elementBytes_ != 2) revert InvalidElementBytes(elementBytes_);
        if (outputIndex_ >= outputElements_) revert InvalidIndex(outputElements_, outputIndex_);
        (int16 low, int16 high) =
            elementBytes_ == 1 ? (int16(type(int8).min), int16(type(int8).max)) : (type(int16).min, type(int16).max);
        if (threshold_ < low || threshold_ >= high) revert IdleThreshold(threshold_);
        verifier = verifier_;
        modelId = modelId_;
        outputElements = outputElements_;
        outputIndex = outputIndex_;
        elementBytes = elementBytes_;
        threshold = threshold_;
    }

    /// @notice Passes the caller if the model gives the input a score above the threshold.
    /// @param input The input's bytes.
    /// @param output The output's bytes.
    /// @param expiry The last second, in Unix time, at which the proof counts.
    /// @param proof A proof for the context `contextOf(caller, expiry)`.
    /// @return score The score.
    function pass(bytes calldata input, bytes calldata output, uint256 expiry, bytes calldata proof)
        external
        returns (int16 score)
    {
        if (block.timestamp > expiry) revert Expired(expiry);
        score = _score(output);
        if (score <= threshold) revert ScoreTooLow(threshold, score);
        verifier.verify(modelId, input, output, contextOf(msg.sender, expiry), proof);
        uint256 nonce = nonces[msg.sender]++;
        bytes32 inputHash = keccak256(input);
        _passes[msg.sender] = Pass({score: score, passedAt: uint64(block.timestamp), inputHash: inputHash});
        emit Passed(msg.sender, nonce, inputHash, score);
    }

    /// @notice How an account passed the last time; all zero if it never did.
    /// @param account The account.
    /// @return The record.
    function passOf(address account) external view returns (Pass memory) {
        return _passes[account];
    }

    /// @notice The context that an account's next proof must be made for.
    /// @param account Who is to pass.
    /// @param expiry The last second at which the proof counts.
    /// @return The context. Its request is the account's nonce.
    function contextOf(address account, uint256 expiry) public view returns (bytes32) {
        return InferenceContext.here(bytes32(nonces[account]), account, expiry);
    }

    /// @dev The score in an output: big-endian two's complement.
    /// @param output The output's bytes.
    /// @return The score.
    function _score(bytes calldata output) private view returns (int16) {
        uint256 expected = uint256(outputElements) * elementBytes;
        if (output.length != expected) revert InvalidOutputLength(expected, output.length);
        if (elementBytes == 1) return int8(uint8(output[outputIndex]));
        uint256 start = uint256(outputIndex) * 2;
        return int16(uint16(bytes2(output[start:start + 2])));
    }
}
