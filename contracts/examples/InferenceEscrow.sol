// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier} from "../IInferenceVerifier.sol";
import {InferenceContext} from "../InferenceContext.sol";

/// @title Pays whoever delivers a verified inference in time
/// @notice A requester names a model and an input and deposits a reward. The first valid proof before the deadline takes it. The
/// proof names its payee, so whoever copies the transaction can only pay the same payee.
/// @dev An example. The transaction that delivers shows the output: send it well before the deadline. The requester cannot withdraw
/// earlier. A verifier whose `insecure()` is true must not hold money of value.
contract InferenceEscrow {
    /// @notice What became of a request.
    enum Status {
        None,
        Open,
        Delivered,
        Refunded
    }

    /// @notice A request.
    /// @param requester Who asked and paid.
    /// @param deadline The last second, in Unix time, at which a delivery counts.
    /// @param status What became of it.
    /// @param reward What the payee gets, in wei.
    /// @param modelId The model to run.
    /// @param inputHash Keccak-256 of the input's bytes.
    /// @param outputHash Keccak-256 of the output's bytes, zero until delivered.
    struct Request {
        address requester;
        uint64 deadline;
        Status status;
        uint256 reward;
        bytes32 modelId;
        bytes32 inputHash;
        bytes32 outputHash;
    }

    /// @notice There is no code at the verifier's address.
    error NoVerifier(address verifier);
    /// @notice A request without a reward.
    error NoReward();
    /// @notice The deadline has passed.
    error DeadlinePassed(uint256 deadline);
    /// @notice The deadline has not passed: the request can still be delivered.
    error DeadlineNotPassed(uint256 deadline);
    /// @notice There is no such request, or it was delivered or refunded.
    error NotOpen(bytes32 id, Status status);
    /// @notice The input is not the one that was asked for.
    error WrongInput(bytes32 expected, bytes32 got);
    /// @notice Only the requester gets a refund.
    error NotRequester(address expected, address got);
    /// @notice The recipient did not take the money.
    error PaymentFailed(address recipient);

    /// @notice A reward waits for an inference.
    event Requested(
        bytes32 indexed id,
        address indexed requester,
        bytes32 indexed modelId,
        bytes32 inputHash,
        uint64 deadline,
        uint256 reward
    );
    /// @notice The model gave `output`, and `payee` was paid.
    event Delivered(bytes32 indexed id, address indexed payee, bytes output);
    /// @notice Nobody delivered in time, and the requester was paid back.
    event Refunded(bytes32 indexed id);

    /// @notice Checks the proofs.
    IInferenceVerifier public immutable verifier;

    /// @dev How many requests were made: no two have the same id.
    uint256 private _requested;
    /// @dev By id.
    mapping(bytes32 => Request) private _requests;

    /// @param verifier_ The verifier to trust.
    constructor(IInferenceVerifier verifier_) {
        if (address(verifier_).code.length == 0) revert NoVerifier(address(verifier_));
        verifier = verifier_;
    }

    /// @notice Asks for an inference. The reward is the value sent.
    /// @param modelId The model to run. If its key is not stored, nobody can deliver until someone stores it.
    /// @param inputHash Keccak-256 of the input's bytes. Publish the bytes where provers find them.
    /// @param deadline The last second, in Unix time, at which a delivery counts.
    /// @return id The request's id.
    function request(bytes32 modelId, bytes32 inputHash, uint64 deadline) external payable returns (bytes32 id) {
        if (msg.value == 0) revert NoReward();
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        id = keccak256(abi.encode(block.chainid, address(this), msg.sender, _requested++));
        _requests[id] = Request({
            requester: msg.sender,
            deadline: deadline,
            status: Status.Open,
            reward: msg.value,
            modelId: modelId,
            inputHash: inputHash,
            outputHash: bytes32(0)
        });
        emit Requested(id, msg.sender, modelId, inputHash, deadline, msg.value);
    }

    /// @notice Delivers an inference and pays the reward. Anyone may call; only the payee that the proof names can be paid.
    /// @param id The request's id.
    /// @param input The input's bytes.
    /// @param output The output's bytes.
    /// @param payee Who is paid.
    /// @param proof A proof for the context `contextOf(id, payee)`.
    function deliver(bytes32 id, bytes calldata input, bytes calldata output, address payee, bytes calldata proof)
        external
    {
        Request storage open = _open(id);
        if (block.timestamp > open.deadline) revert DeadlinePassed(open.deadline);
        if (keccak256(input) != open.inputHash) revert WrongInput(open.inputHash, keccak256(input));
        bytes32 context = contextOf(id, payee);
        verifier.verify(open.modelId, input, output, context, proof);
        // The state changes before the payee gets control.
        open.status = Status.Delivered;
        open.outputHash = keccak256(output);
        emit Delivered(id, payee, output);
        _pay(payee, open.reward);
    }

    /// @notice Pays the requester back after the deadline.
    /// @param id The request's id.
    function refund(bytes32 id) external {
        Request storage open = _open(id);
        if (msg.sender != open.requester) revert NotRequester(open.requester, msg.sender);
        if (block.timestamp <= open.deadline) revert DeadlineNotPassed(open.deadline);
        // The state changes before the requester gets control.
        open.status = Status.Refunded;
        emit Refunded(id);
        _pay(open.requester, open.reward);
    }

    /// @notice The request with an id; all zero if there is none.
    /// @param id The request's id.
    /// @return The request.
    function requestOf(bytes32 id) external view returns (Request memory) {
        return _requests[id];
    }

    /// @notice The context that a proof must be made for.
    /// @param id The request's id.
    /// @param payee Who is to be paid.
    /// @return The context.
    function contextOf(bytes32 id, address payee) public view returns (bytes32) {
        return InferenceContext.here(id, payee, _requests[id].deadline);
    }

    /// @dev The request, if it is open. Reverts if not.
    /// @param id The request's id.
    /// @return open The request.
    function _open(bytes32 id) private view returns (Request storage open) {
        open = _requests[id];
        if (open.status != Status.Open) revert NotOpen(id, open.status);
    }

    /// @dev Sends wei, or reverts. Gives control to the recipient.
    /// @param recipient Who is paid.
    /// @param amount How much.
    function _pay(address recipient, uint256 amount) private {
        bool paid;
        // Nothing that the recipient returns is copied: whoever sends the transaction would pay for it.
        assembly ("memory-safe") {
            paid := call(gas(), recipient, amount, 0x00, 0x00, 0x00, 0x00)
        }
        if (!paid) revert PaymentFailed(recipient);
    }
}
