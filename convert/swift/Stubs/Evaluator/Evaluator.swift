import Foundation

/// A connection to the Python server that runs saved models, on a Unix socket whose path is in
/// `MODEL_EVALUATOR`: a line of JSON there, a line of JSON back. Each model has its own, on which
/// threads wait for each other.
public final class Evaluator: @unchecked Sendable {
    private let socket: FileHandle
    private var unread = Data()
    private let lock = NSLock()

    public init() throws {
        guard let path = ProcessInfo.processInfo.environment["MODEL_EVALUATOR"] else {
            throw EvaluatorError("MODEL_EVALUATOR is not set: it names the evaluator's socket")
        }
        socket = FileHandle(fileDescriptor: try connected(to: path), closeOnDealloc: true)
    }

    /// - Throws: the server's error, where it answers with one.
    public func answer(to question: [String: Any]) throws -> [String: Any] {
        lock.lock()
        defer { lock.unlock() }
        let line = try JSONSerialization.data(withJSONObject: question)
        try socket.write(contentsOf: line + Data([10]))
        let answer = try JSONSerialization.jsonObject(with: nextLine())
        let values = answer as? [String: Any] ?? [:]
        if let message = values["error"] as? String {
            throw EvaluatorError(message)
        }
        return values
    }

    private func nextLine() throws -> Data {
        while true {
            if let end = unread.firstIndex(of: 10) {
                defer { unread = Data(unread[(end + 1)...]) }
                return Data(unread[..<end])
            }
            // `read(upToCount:)` would wait for as many bytes.
            let data = socket.availableData
            if data.isEmpty { throw EvaluatorError("the evaluator has ended") }
            unread += data
        }
    }
}

private func connected(to path: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
        buffer.copyBytes(from: path.utf8.prefix(buffer.count - 1))
        return path.utf8.count < buffer.count
    }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
    }
    guard fits, descriptor >= 0, result == 0 else {
        throw EvaluatorError("the evaluator does not answer at \(path)")
    }
    return descriptor
}

/// What the server said, or why it cannot be asked.
public struct EvaluatorError: LocalizedError {
    public let errorDescription: String?
    init(_ sentence: String) { errorDescription = sentence }
}
