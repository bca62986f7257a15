package web

import "strings"

// known is a word in what a browser says of itself, and whose word it is.
type known struct{ word, name string }

// browsers are in this order because each says that it is those behind it as well.
var browsers = [...]known{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

// systems are in this order for the same reason.
var systems = [...]known{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
}

// browserLabel names a browser, as in "Firefox on Linux", by what it says of itself. That is its own word, and good for nothing but
// to tell one's sessions apart: so the label is made of words that stand here, whatever it says.
func browserLabel(userAgent string) string {
	return find(browsers[:], userAgent, "A browser") + " on " + find(systems[:], userAgent, "an unknown system")
}

func find(list []known, userAgent, otherwise string) string {
	for _, k := range list {
		if strings.Contains(userAgent, k.word) {
			return k.name
		}
	}
	return otherwise
}
