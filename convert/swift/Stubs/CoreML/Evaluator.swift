import Foundation

/// A connection to the Python server that runs saved packages, on a Unix socket whose path is in
/// `CORE_ML_EVALUATOR`: a line of JSON there, a line of JSON back. Each model has its own.
final class Evaluator {
    private let socket: FileHandle
    private var unread = Data()

    init() throws {
        guard let path = ProcessInfo.processInfo.environment["CORE_ML_EVALUATOR"] else {
            throw MLModelError(
                errorDescription: "CORE_ML_EVALUATOR is not set: it names the evaluator's socket")
        }
        socket = FileHandle(fileDescriptor: try connected(to: path), closeOnDealloc: true)
    }

    /// - Throws: the server's error, where it answers with one.
    func answer(to question: [String: Any]) throws -> [String: Any] {
        let line = try JSONSerialization.data(withJSONObject: question)
        try socket.write(contentsOf: line + Data([10]))
        let answer = try JSONSerialization.jsonObject(with: nextLine())
        let values = answer as? [String: Any] ?? [:]
        if let message = values["error"] as? String {
            throw MLModelError(errorDescription: message)
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
            if data.isEmpty { throw MLModelError(errorDescription: "the evaluator has ended") }
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
        throw MLModelError(errorDescription: "the evaluator does not answer at \(path)")
    }
    return descriptor
}
