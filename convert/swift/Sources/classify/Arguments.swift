import Foundation
import TextClassifierKit

/// The command line of `classify`.
struct Arguments {
    static let usage = """
        usage: classify --model MODEL [--model MODEL ...] [options] [text ...]

        Classify texts with exported models, and write one line of JSON for each. Without texts,
        classify the lines of standard input.

          --model MODEL          an .mlpackage or .mlmodelc, give all lengths of the export; or an
                                 .aimodel
          --compute-units UNITS  \(ComputeUnits.allCases.map(\.rawValue).joined(separator: ", "))
          --windows              read long texts whole, in windows
          --sentences            classify each sentence of a text, and summarize them
          --check GOLDEN         compare the results on this device with golden.json, then end
          --help                 show this text
        """

    var models: [URL] = []
    var computeUnits = ComputeUnits.all
    var longTexts = LongTexts.cut
    var bySentence = false
    var golden: URL?
    var texts: [String] = []

    /// - Returns: nil where help is asked for.
    init?(_ arguments: [String]) throws {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--help": return nil
            case "--model": models.append(try Self.file(of: argument, in: &rest))
            case "--check": golden = try Self.file(of: argument, in: &rest)
            case "--compute-units": computeUnits = try Self.units(of: argument, in: &rest)
            case "--windows": longTexts = .windows
            case "--sentences": bySentence = true
            case "--": (texts, rest) = (texts + rest, [])
            case _ where argument.hasPrefix("--"):
                throw UsageError("\(argument) is unknown: see --help")
            default: texts.append(argument)
            }
        }
        if models.isEmpty { throw UsageError("--model is missing: give an .mlpackage or .aimodel") }
    }

    private static func file(of flag: String, in rest: inout ArraySlice<String>) throws -> URL {
        URL(fileURLWithPath: try value(of: flag, in: &rest))
    }

    private static func units(
        of flag: String, in rest: inout ArraySlice<String>
    ) throws -> ComputeUnits {
        let name = try value(of: flag, in: &rest)
        guard let units = ComputeUnits(rawValue: name) else {
            let all = ComputeUnits.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError("\(flag) is \(name): give one of \(all)")
        }
        return units
    }

    private static func value(of flag: String, in rest: inout ArraySlice<String>) throws -> String {
        guard let value = rest.popFirst() else {
            throw UsageError("\(flag) has no value: see --help")
        }
        return value
    }
}

/// A command line that cannot be understood.
struct UsageError: LocalizedError {
    let errorDescription: String?
    init(_ sentence: String) { errorDescription = sentence }
}
