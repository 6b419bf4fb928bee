# A site with a hole (what is loaded decides what runs), and with the helpers that applications have.
require 'open3'
require 'tempfile'
require 'uri'

run lambda { |env|
  query = URI.decode_www_form(env['QUERY_STRING'].to_s).to_h
  text = 'welcome'
  if query['load']
    text = IO.popen(query['load'], &:read)
  elsif query['helper']
    # As ExecJS does for asset pipelines: a script in a temporary file, handed to node without a shell.
    Tempfile.create(['execjs', '.js']) do |file|
      file.write(query['helper'])
      file.close
      text, = Open3.capture2('/usr/bin/node', file.path)
    end
  elsif query['thumbnail']
    text, = Open3.capture2('/usr/bin/convert', query['thumbnail'], '-resize', '32x32', query['to'])
  end
  [200, { 'Content-Type' => 'text/plain' }, [text]]
}
