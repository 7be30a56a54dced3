import Foundation
import Observation
import TextClassifierKit

/// The golden texts of an export, run on this machine.
@available(macOS 14, iOS 17, *)
@MainActor @Observable
public final class Check {
    /// Whether it is under way.
    public private(set) var isRunning = false
    /// What came out, as text to copy; empty before the first run.
    public private(set) var text = ""

    /// Makes one that has not run.
    public init() {}

    func run(
        _ wish: ClassifierModel.Wish, _ check: () async throws -> CheckReport
    ) async {
        guard !isRunning else { return }
        (isRunning, text) = (true, "")
        defer { isRunning = false }
        do {
            text = "\(wish.choice?.name ?? ""), \(try await check())\n\(Machine.description)"
        } catch {
            text = sentence(about: error)
        }
    }
}
