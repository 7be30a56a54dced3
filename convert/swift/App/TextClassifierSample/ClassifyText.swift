import AppIntents
import TextClassifierApp

/// The action of the app in Shortcuts.
struct ClassifyText: AppIntent {
    static let title: LocalizedStringResource = "Classify Text"
    static let description: IntentDescription? = IntentDescription("Finds the label of a text.")

    @Parameter(title: "Text")
    var text: String

    func perform() async throws -> some IntentResult & ReturnsValue<String> & ProvidesDialog {
        let result = try await ClassifierModel.shared.classify(text)
        return .result(value: result.label, dialog: "\(result.label)")
    }
}
