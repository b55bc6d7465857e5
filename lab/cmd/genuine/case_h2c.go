package main

import "context"

// h2cScene: HTTP/2 in clear, by prior knowledge and by an upgrade, from curl and
// nghttp to an nghttpx before an nghttpd.
func h2cScene() scene {
	return scene{
		name:  "h2c",
		needs: []program{{"nghttpd", "nghttp2-server"}, {"nghttpx", "nghttp2-proxy"}, {"nghttp", "nghttp2-client"}, {"curl", "curl"}},
		hosts: []host{
			{clients, []string{"10.4.0.10/24"}},
			{"www1", []string{"10.4.0.80/24"}},
		},
		setting: func(ctx context.Context, s *stage) error {
			for name, text := range map[string]string{"www/index.html": page(), "www/style.css": "body { color: black }\n", "www/report.pdf": reportPDF(), "www/tool.exe": executable()} {
				if _, err := s.write(name, text); err != nil {
					return err
				}
			}
			if err := s.names("10.4.0.80 portal.corp.example"); err != nil {
				return err
			}
			if err := s.start(ctx, "www1", []string{"tcp 8000"}, "nghttpd", "--no-tls", "-d", s.dir+"/www", "--push=/index.html=/style.css", "--trailer=x-sum: 5", "8000"); err != nil {
				return err
			}
			return s.start(ctx, "www1", []string{"tcp 80"}, "nghttpx", "--conf=/dev/null", "--frontend=*,80;no-tls", "--backend=127.0.0.1,8000;;proto=h2", "--errorlog-file="+s.dir+"/nghttpx-errors.log", "--accesslog-file="+s.dir+"/nghttpx-access.log", "--workers=1", "--single-process")
		},
		play: h2cPlay,
	}
}

func h2cPlay(ctx context.Context, s *stage) error {
	const at, direct = "http://portal.corp.example", "http://portal.corp.example:8000"
	form, err := s.write("form.txt", scheduleText())
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"--http2-prior-knowledge", at + "/index.html"},
		{"--http2-prior-knowledge", at + "/nothing.html", "-u", "hanako:lab-pass-2", "-e", "http://search.example/"},
		{"--http2-prior-knowledge", at + "/report.pdf", "--data-binary", "@" + form, "-H", "Content-Type: text/plain"},
		{"--http2", at + "/report.pdf"}, // upgrade
		{"--http2-prior-knowledge", at + "/report.pdf", "-I"},
		{"--http1.1", at + "/style.css"},
	} {
		if err := s.curl(ctx, 0, args...); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"-n", "-u", at + "/tool.exe"},
		{"-n", at + "/index.html", at + "/style.css", at + "/report.pdf"}, // at once, on one connection
		{"-n", direct + "/index.html"},                                    // with a push and a trailer
		{"-n", "--continuation", "-b", "10", direct + "/style.css"},
	} {
		if err := s.run(ctx, "nghttp", args...); err != nil {
			return err
		}
	}
	return nil
}
