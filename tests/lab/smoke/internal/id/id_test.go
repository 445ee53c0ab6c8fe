package id

import "testing"

func TestNew(t *testing.T) {
	a, b := New("ses_"), New("ses_")
	if a == b || !Valid(a) || !Valid(b) {
		t.Fatalf("%q %q", a, b)
	}
	for _, s := range []string{"", "ses_", "ses_abc", a + "x", a[4:]} {
		if Valid(s) {
			t.Errorf("Valid(%q)", s)
		}
	}
}
