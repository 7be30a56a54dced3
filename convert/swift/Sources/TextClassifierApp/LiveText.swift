import Observation
import TextClassifierKit

/// A text that is classified while it is typed.
@available(macOS 14, iOS 17, *)
@MainActor @Observable
public final class LiveText {
    /// The text, as it is now.
    public var text = ""
    /// The classification of the text of a moment ago; nil without a text.
    public private(set) var result: Classification?
    /// Why the text could not be classified.
    public private(set) var failure: String?

    @ObservationIgnored private let rest: @Sendable () async throws -> Void

    /// - Parameter rest: waits until typing has paused; by default 150 ms.
    public init(
        rest: @escaping @Sendable () async throws -> Void = {
            try await Task.sleep(for: .milliseconds(150))
        }
    ) {
        self.rest = rest
    }

    /// The probabilities, the largest first; equal ones by label.
    public var bars: [Bar] {
        let probabilities = result?.probabilities ?? [:]
        return probabilities.map { Bar(label: $0.key, probability: $0.value) }
            .sorted { ($1.probability, $0.label) < ($0.probability, $1.label) }
    }

    /// What there is to say under the bars.
    public var note: String? {
        if let failure { return failure }
        guard let result else { return nil }
        let score = result.score.map { String(format: ", score %+.3f", $0) } ?? ""
        return "\(result.tokens) tokens" + (result.isTruncated ? ", the end was not read" : "")
            + score
    }

    /// Classifies the text of this moment. Cancel it when the text changes; its result is dropped
    /// then, even where the classifier has already been asked.
    func update(by classify: (String) async throws -> Classification) async {
        let asked = text
        guard !isBlank(asked) else {
            (result, failure) = (nil, nil)
            return
        }
        do {
            try await rest()
            let found = try await classify(asked)
            if isCurrent(asked) { (result, failure) = (found, nil) }
        } catch {
            if isCurrent(asked) { (result, failure) = (nil, sentence(about: error)) }
        }
    }

    private func isCurrent(_ asked: String) -> Bool {
        !Task.isCancelled && asked.utf8.elementsEqual(text.utf8)
    }
}

/// A label and its probability, as a bar shows it.
public struct Bar: Identifiable, Hashable, Sendable {
    /// The label.
    public let label: String
    /// From 0 to 1.
    public let probability: Double
    /// The label.
    public var id: String { label }
}
