import Foundation
import TextClassifierKit

/// Plays what the end-to-end tests need and no command line offers, one scenario a process:
///
///     scenarios NAME [MODEL ...] < input.json > output.json
@main
struct Scenarios {
    static func main() async throws {
        let arguments = CommandLine.arguments
        let models = arguments.dropFirst(2).map { URL(fileURLWithPath: $0) }
        switch arguments[1] {
        case "sentences": try answer { (texts: [String]) in texts.map(splitSentences) }
        case "windows": try answer { (cases: [[Int]]) in cases.map(windows) }
        case "scales":
            try answer { (cases: [[String]]) in cases.map { SentimentScale($0)?.positions } }
        case "error": try write(["error": await thrown(by: models)])
        case "together": try await classifyTogether(models)
        case "cancel": try await cancel(models)
        case "prepare": try await prepare(models)
        case "named": try await open(named: arguments[3], in: models[0])
        default: throw CocoaError(.featureUnsupported)
        }
    }

    /// Two tasks that need the same models at the same time.
    private static func classifyTogether(_ models: [URL]) async throws {
        let texts = try input([String].self)
        let classifier = try await opened(models)
        async let first = classifier.classify(texts)
        async let second = classifier.classify(texts.reversed())
        try write([await first, await second.reversed()])
    }

    /// A task that is cancelled while it runs.
    private static func cancel(_ models: [URL]) async throws {
        let texts = try input([String].self)
        let classifier = try await opened(models)
        let task = Task { try await classifier.classify(texts) }
        try await Task.sleep(for: .milliseconds(200))
        task.cancel()
        switch await task.result {
        case .success: try write("finished")
        case .failure(let error): try write("\(error)")
        }
        // The classifier works on.
        try write(await classifier.classify(texts[0]))
    }

    private static func prepare(_ models: [URL]) async throws {
        do {
            let classifier = try await opened(models)
            let found = try await classifier.prepare()
            let units = await classifier.computeUnits
            try write([found.attempts.map(\.computeUnits.rawValue), [units.rawValue]])
        } catch let error as TextClassifierError {
            try write(["error": "\(error)"])
        }
    }

    private static func open(named name: String, in folder: URL) async throws {
        guard let bundle = Bundle(url: folder) else { throw CocoaError(.fileNoSuchFile) }
        do {
            let classifier = try await TextClassifier(named: name, in: bundle)
            try write(["lengths": classifier.lengths])
        } catch let error as TextClassifierError {
            try write(["error": "\(error)"])
        }
    }

    /// The error of a classifier over all that it does; empty if there is none.
    private static func thrown(by models: [URL]) async -> String {
        do {
            let classifier = try await opened(models)
            _ = try await classifier.classify(["", String(repeating: "profit ", count: 1000)])
            let golden = models[0].deletingLastPathComponent().appendingPathComponent("golden.json")
            _ = try await classifier.check(Golden(contentsOf: golden))
            return ""
        } catch {
            return "\(error)"
        }
    }

    private static func opened(_ models: [URL]) async throws -> TextClassifier {
        try await TextClassifier(models: models, options: TextClassifier.Options(batchSize: 4))
    }

    private static func windows(_ numbers: [Int]) -> [[Double]] {
        Window.over(numbers[0], room: numbers[1], overlap: numbers[2]).map { window in
            [Double(window.tokens.lowerBound), Double(window.tokens.upperBound), window.weight]
        }
    }

    private static func answer<In: Decodable, Out: Encodable>(_ find: (In) -> Out) throws {
        try write(find(input(In.self)))
    }

    private static func input<Value: Decodable>(_: Value.Type) throws -> Value {
        try JSONDecoder().decode(
            Value.self, from: FileHandle.standardInput.readToEnd() ?? Data())
    }

    private static func write(_ value: some Encodable) throws {
        FileHandle.standardOutput.write(try JSONEncoder().encode(value) + Data([10]))
    }
}
