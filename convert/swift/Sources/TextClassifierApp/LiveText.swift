import Observation
import TextClassifierKit

/// A text that is classified while it is typed.
@available(macOS 14, iOS 17, *)
@MainActor @Observable
public final class LiveText {
    public var text = ""
    /// The classification of the text of a moment ago; nil without a text.
    public private(set) var result: Classification?
    /// Why the text could not be classified.
    public private(set) var failure: String?

    @ObservationIgnored private let pause: Duration

    /// - Parameter pause: how long typing must rest before a text is classified.
    public init(pause: Duration = .milliseconds(150)) { self.pause = pause }

    /// The probabilities, the largest first; equal ones by label.
    public var bars: [Bar] {
        let probabilities = result?.probabilities ?? [:]
        return probabilities.map { Bar(label: $0.key, probability: $0.value) }
            .sorted { ($1.probability, $0.label) < ($0.probability, $1.label) }
    }

    /// Classifies the text of this moment. Cancel it when the text changes; its result is dropped
    /// then, even where the classifier has already been asked.
    func update(with classifier: any Classifying) async {
        let asked = text
        guard !isBlank(asked) else {
            (result, failure) = (nil, nil)
            return
        }
        do {
            try await Task.sleep(for: pause)
            let found = try await classifier.classify(asked)
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
    public let label: String
    public let probability: Double
    public var id: String { label }
}
