import SwiftUI
import TextClassifierApp

@main
struct SampleApp: App {
    private let model = ClassifierModel.shared

    var body: some Scene {
        WindowGroup("Text Classifier") {
            ContentView(model: model)
        }
        .defaultSize(width: 520, height: 480)
        #if !os(iOS)
            MenuBarExtra("Text Classifier", systemImage: "text.magnifyingglass") {
                LiveView(model: model, live: model.live).frame(width: 340).padding()
            }
            .menuBarExtraStyle(.window)
        #endif
    }
}

extension ClassifierModel {
    /// One for the windows, the menu bar and Shortcuts.
    static let shared = ClassifierModel(choices: ModelChoice.bundled)
}
