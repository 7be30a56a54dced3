import Foundation
import TextClassifierKit

/// Classifies texts, or the lines of standard input.
@main
struct Classify {
    /// Lines of standard input that are read before they are classified together.
    private static let linesTogether = 256

    static func main() async {
        do {
            guard let arguments = try Arguments(Array(CommandLine.arguments.dropFirst())) else {
                print(Arguments.usage)
                return
            }
            try await Classify(arguments).run()
        } catch {
            FileHandle.standardError.write(Data("classify: \(error.localizedDescription)\n".utf8))
            exit(error is UsageError ? 2 : 1)
        }
    }

    private let arguments: Arguments
    private let classifier: TextClassifier
    private let encoder = JSONEncoder()

    private init(_ arguments: Arguments) async throws {
        self.arguments = arguments
        classifier = try await TextClassifier(
            models: arguments.models,
            options: TextClassifier.Options(computeUnits: arguments.computeUnits))
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    private func run() async throws {
        if let golden = arguments.golden {
            let report = try await classifier.check(Golden(contentsOf: golden))
            try write(report)
            if !report.isPassed { exit(1) }
        } else if arguments.texts.isEmpty {
            while case let lines = nextLines(), !lines.isEmpty { try await classify(lines) }
        } else {
            try await classify(arguments.texts)
        }
    }

    private func classify(_ texts: [String]) async throws {
        if arguments.bySentence {
            for text in texts {
                try write(
                    await classifier.classify(document: text, longTexts: arguments.longTexts))
            }
            return
        }
        let found = try await classifier.classify(texts, longTexts: arguments.longTexts)
        for (text, classification) in zip(texts, found) {
            try write(Line(text: text, classification: classification))
        }
    }

    /// Lines of standard input, without their end; a person's one by one.
    private func nextLines() -> [String] {
        var lines: [String] = []
        let most = isatty(STDIN_FILENO) == 1 ? 1 : Self.linesTogether
        while lines.count < most, let line = readLine(strippingNewline: false) {
            // Not `strippingNewline`, which also takes characters such as U+2028 from the end.
            var scalars = line.unicodeScalars[...]
            if scalars.last == "\n" { scalars.removeLast() }
            if scalars.last == "\r" { scalars.removeLast() }
            lines.append(String(scalars))
        }
        return lines
    }

    private func write(_ value: some Encodable) throws {
        FileHandle.standardOutput.write(try encoder.encode(value) + Data([10]))
    }
}

/// A line of output: the text and what the classifier says about it.
private struct Line: Encodable {
    let text: String
    let classification: Classification

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(text, forKey: .text)
        try classification.encode(to: encoder)
    }

    private enum CodingKeys: String, CodingKey {
        case text
    }
}
