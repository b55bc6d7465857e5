package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ftpScene: files to and from a vsftpd in every way in which a data connection is
// agreed on.
func ftpScene() scene {
	return scene{
		name:    "ftp",
		needs:   []program{{"vsftpd", "vsftpd"}, {"curl", "curl"}, {"openssl", "openssl"}},
		hosts:   []host{{clients, []string{"10.4.0.10/24", "2001:db8:4::10/64"}}, {"fs1", []string{"10.4.0.21/24", "2001:db8:4::21/64"}}},
		setting: ftpSetting,
		play:    ftpPlay,
	}
}

const vsftpdConf = `listen_ipv6=YES
background=NO
local_enable=YES
write_enable=YES
anonymous_enable=YES
anon_root=DIR/public
connect_from_port_20=YES
seccomp_sandbox=NO
secure_chroot_dir=/run/vsftpd/empty
pam_service_name=vsftpd
xferlog_file=DIR/xfer.log
ssl_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
pasv_min_port=30000
pasv_max_port=40000
force_local_logins_ssl=NO
force_local_data_ssl=NO
require_ssl_reuse=NO
rsa_cert_file=CERT
rsa_private_key_file=KEY
ftpd_banner=Lab FTP
`

func ftpSetting(ctx context.Context, s *stage) error {
	ca, err := s.authority()
	if err != nil {
		return err
	}
	own, err := s.issue(ca, 21, x509.ExtKeyUsageServerAuth, "ftp.corp.example")
	if err != nil {
		return err
	}
	home, err := s.user(ctx, "taro", "lab-pass-1")
	if err != nil {
		return err
	}
	archive, err := invoiceZip()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"report.pdf": reportPDF(), "tool.exe": executable(), sjis("予定表.txt"): scheduleText(), "in/made": "", "../public/motd.txt": "welcome\n", "../invoice.zip": archive} {
		if _, err := s.write(filepath.Join("home-taro", name), text); err != nil {
			return err
		}
	}
	if err := s.run(ctx, "chown", "-R", "4001:4001", home); err != nil {
		return err
	}
	conf, err := s.write("vsftpd.conf", strings.NewReplacer("DIR", s.dir, "CERT", own.cert, "KEY", own.key).Replace(vsftpdConf))
	if err != nil {
		return err
	}
	return s.start(ctx, "fs1", []string{"tcp 21"}, "vsftpd", conf)
}

func ftpPlay(ctx context.Context, s *stage) error {
	home := "ftp://10.4.0.21/"
	for _, x := range []struct {
		status int
		args   []string
	}{
		{0, []string{home + "report.pdf"}},                                                                // EPSV
		{0, []string{home + "tool.exe", "--disable-epsv"}},                                                // PASV
		{0, []string{home + "%97%5C%92%E8%95%5C.txt", "-P", "10.4.0.10"}},                                 // EPRT; the name in Shift_JIS
		{0, []string{home + "in/invoice.zip", "-T", s.dir + "/invoice.zip", "-P", "-", "--disable-eprt"}}, // PORT
		{0, []string{"ftp://[2001:db8:4::21]/in/upload.zip", "-T", s.dir + "/invoice.zip"}},
		{0, []string{home + "report.pdf", "-C", "1000"}}, // REST
		{0, []string{home + "in/"}},
		{78, []string{home + "nothing.txt"}},
		{0, []string{home + "report.pdf", "--ssl-reqd", "-k"}},
		{67, []string{home, "-u", "taro:wrong"}},
		{0, []string{home + "motd.txt", "-u", "anonymous:guest@corp.example"}},
	} {
		if err := s.curl(ctx, x.status, append([]string{"-u", "taro:lab-pass-1"}, x.args...)...); err != nil {
			return err
		}
	}
	if err := talk(ctx, "10.4.0.10", "10.4.0.21:21", turn{"", "220 "}, turn{"USER taro\r\nPASS lab-pass-1\r\n", "230 "}, turn{"SYST\r\n", "215 "},
		turn{"MKD \xe6\x97\xa5\xe6\x9c\xac\r\n", "257 "}, turn{"RNFR tool.exe\r\n", "350 "}, turn{"RNTO tool.old\r\n", "250 "}, turn{"SIZE tool.old\r\n", "213 "},
		turn{"DELE tool.old\r\n", "250 "}, turn{"CWD in\r\n", "250 "}, turn{"PWD\r\n", "257 "}, turn{"PASV\r\n", "227 "}, turn{"RETR nothing\r\n", "550 "}, turn{"QUIT\r\n", "221 "}); err != nil {
		return err
	}
	got, err := os.ReadFile(filepath.Join(s.dir, "home-taro/in/invoice.zip"))
	if want, _ := invoiceZip(); err != nil || string(got) != want {
		return fmt.Errorf("the upload did not arrive: %w", err)
	}
	return nil
}
